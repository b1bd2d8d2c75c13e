// Turns a table of flags into a command line with commander: parsing, --help grouped by purpose with defaults and
// examples, and every mistake as one UsageError.
import { Command, CommanderError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { type Flag, flagName, type FlagTable, parseFlag, toggle, type Values } from "../train/flags.ts";

export interface CommandDescription<Table extends FlagTable> {
  name: string;
  /** One or two sentences at the top of --help. */
  summary: string;
  flags: Table;
  /** Positional argument, e.g. `[kernel]` or `<files...>`, and its help. */
  argument?: [string, string];
  /** Full command lines, each with what it does. */
  examples: [command: string, does: string][];
}

export interface Parsed<Table extends FlagTable> {
  settings: Values<Table>;
  /** Fields the user gave, as opposed to defaults. */
  given: ReadonlySet<string>;
  argument?: string;
  /** All words that are no flags. */
  positional: readonly string[];
}

const verbose = toggle({ group: "Help", help: "show the stack of an error", default: false });

/** Parses `args`; undefined when --help was asked for and printed.
 *  @throws {UsageError} if the words are wrong */
export function parseCommand<Table extends FlagTable>(
  description: CommandDescription<Table>,
  args: string[],
): Parsed<Table> | undefined {
  const command = buildCommand(description);
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    const reason = error.message.replace(/^error: /, "").replace(/\.$/, "").replaceAll(/\s*\n\s*/g, " ");
    throw new UsageError(`Cannot read the command line: ${reason}: see deno task ${description.name} --help`);
  }
  const typed = command.opts() as Record<string, string | boolean | string[]>;
  const given = new Set<string>();
  const settings: Record<string, unknown> = {};
  for (const [field, flag] of Object.entries(description.flags)) {
    const value = typed[field];
    if (value !== undefined) given.add(field);
    settings[field] = value === undefined ? flag.default : parseFlag(field, flag, value);
  }
  return { settings: settings as Values<Table>, given, argument: command.args[0], positional: command.args };
}

function buildCommand<Table extends FlagTable>(description: CommandDescription<Table>): Command {
  const command = new Command(`deno task ${description.name}`)
    .description(description.summary)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ helpWidth: 110 })
    .addHelpOption(new Option("--help", "show this").helpGroup("Help:"))
    .addHelpText("after", `\nExamples:\n${examplesText(description.examples)}`);
  if (description.argument) command.argument(...description.argument);
  for (const [field, flag] of Object.entries(description.flags)) addFlag(command, field, flag);
  addFlag(command, "verbose", verbose);
  return command;
}

function addFlag(command: Command, field: string, flag: Flag<unknown>): void {
  const name = flagName(field);
  const group = `${flag.group}:`;
  const help = `${flag.help}${defaultText(flag)}`;
  if (flag.kind !== "switch") {
    const option = new Option(`--${name} <${flag.value}>`, help).helpGroup(group);
    if (flag.kind === "texts") option.argParser((word, earlier?: string[]) => [...(earlier ?? []), word]);
    command.addOption(option);
    return;
  }
  // Both forms are understood; --help shows the one that changes the default. Neither carries a default of commander's.
  const off = flag.default === true;
  const on = new Option(`--${name}`, help).helpGroup(group).hideHelp(off);
  const no = new Option(`--no-${name}`, flag.default === undefined ? `the opposite` : help).helpGroup(group);
  command.addOption(on).addOption(no.hideHelp(flag.default === false));
}

function defaultText(flag: Flag<unknown>): string {
  if (flag.otherwise !== undefined) return ` (default: ${flag.otherwise})`;
  if (flag.default === undefined || flag.kind === "switch" || flag.kind === "texts") return "";
  return ` (default: ${flag.default})`;
}

function examplesText(examples: [string, string][]): string {
  return examples.map(([command, does]) => `  ${command}\n      ${does}`).join("\n");
}
