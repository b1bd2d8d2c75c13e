// The flags that name a model, shared by the commands that use one, and the way from them to a folder.
import { readAdapterConfig } from "../model/adapter_config.ts";
import { findBase } from "../model/base_model.ts";
import { type DownloadProgress, resolveModel } from "../model/hub.ts";
import { startProgress } from "./progress.ts";

export interface ModelSource {
  model: string;
  revision?: string;
  offline: boolean;
}

/** The folder that holds the model; what has to be fetched is fetched, the base of adapters too, with progress on stderr. */
export async function findModel({ model, revision, offline }: ModelSource): Promise<string> {
  let download: ReturnType<typeof startProgress> | undefined;
  const onProgress = ({ bytes, total, file }: DownloadProgress) => {
    download ??= startProgress({ label: "download MB", total: megabytes(total) });
    download.setTotal(megabytes(total));
    download.update(megabytes(bytes), file);
  };
  try {
    const options = { offline, onProgress, onNotice: (line: string) => console.error(line) };
    const folder = await resolveModel(model, { ...options, revision });
    const adapter = await readAdapterConfig(folder);
    if (adapter) await findBase(adapter, options);
    return folder;
  } finally {
    download?.stop();
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
