"""Token ids as Hugging Face's Rust tokenizers give them: python tests/oracle/tokenizer.py [folder of the real MiniLM]

Writes tests/goldens/tokenizer/: a small WordPiece tokenizer.json built here, texts with its ids, and, given the folder,
the same texts with the ids of MiniLM's own tokenizer.json.
"""
import json
import os
import string
import sys

from files import goldens_folder, write_bytes, write_json
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the a an of to in is it and or not you i we they he she this that what which who how why when where there here
yes no best answer question prompt response model chat write code story poem number one two three four five six seven eight
nine ten hello world play played playing strasse cafe naive resume uber zurich el nino ecole sep cls unk mask pad unused
street bitte danke merci hola""".split()
PIECES = "ing ed er est ly s es ness tion able ful less ment al ic ive ous ity ism ist un re in dis".split()
LETTERS = "αβγδεζηθικλμνξοπρσςτυφχψω" "абвгдежзийклмнопрстуфхцчшщъыьэюя" "אבגדהוזחטיכלמנסעפצקרשת" "ابتثجحخدذرزسشصضطظعغفقكلمنهوي" \
          "あいうえおかきくけこアイウエオ" "한국어" "ßøæłđðþıŋ" "नमसतकर"
IDEOGRAPHS = "一二三中国人大小日本語學校漢字龍𠀀𪚥"
SYMBOLS = "😀🎉👍❤€£¥©®™°±×÷½²→∞≠√"
MARKS = "“”‘’–—…«»¿¡、。・「」؟،"

TEXTS = {
    "plain": "The answer is not in the question.",
    "empty": "",
    "only white space": " \t\r\n  ",
    "word pieces": "unplayable restlessness hellos helloworldings",
    "look-alikes of special tokens": "[CLS] hello [SEP] world [PAD][MASK][UNK] [sep] <s> [unused1]",
    "look-alikes inside words": "a[SEP]b [ SEP ] [[SEP]] ##ing ## ing",
    "accents, composed": "Café naïve résumé Über Zürich El Niño École",
    "accents, decomposed": "Cafe\u0301 nai\u0308ve re\u0301sume\u0301",
    "accent alone and stacked": "\u0301 a\u0301\u0302\u0303 z\u0335a\u0336l\u0337g\u0338o",
    "sharp s, dotless and dotted i": "Straße STRASSE ıI İi ŁØÆ",
    "final sigma": "ΟΔΟΣ Σ ΣΑΣ ὀδός",
    "Cyrillic with й and ё": "Привет, как дела? Чей ёж",
    "Chinese without spaces": "中国人大abc日本語。學校",
    "ideographs past U+FFFF": "\U00020000\U00020001a\U0002a6d6b \U0002f800\U0002b740\U0002b820\U0002b920",
    "compatibility ideographs": "\uf900\ufaff x\u3400\u4dbfy",
    "Japanese": "これはテストです。カタカナ・「ひらがな」",
    "Korean": "한국어 안녕하세요",
    "right to left": "שלום עולם ؟ مرحبا، كيف حالك",
    "direction marks": "\u202bשלום\u202c abc\u200f\u200edef \u2066x\u2069",
    "Devanagari, marks spacing and not": "नमस्ते करता",
    "emoji": "😀 hello🎉world 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️ 1️⃣",
    "control characters": "a\u0000b\u0001c\u0007d\u001be\u007ff\u0085g\u009fh",
    "tabs and line ends": "one\ttwo\nthree\r\nfour\rfive\u000bsix\u000cseven",
    "spaces of all widths": "one\u00a0two\u2003three\u3000four\u1680five\u202fsix\u2028seven\u2029eight",
    "invisible characters": "he\u200bllo wo\u00adrld \ufeffthe\u2060 a\u180eb",
    "replacement character": "a\ufffdb \ufffd",
    "private use and unassigned": "a\ue000b \U000f0000 a\u0378b \U0010ffff",
    "ASCII punctuation": string.punctuation + " a!b@c#d$e%f^g&h*i",
    "other punctuation": "“hello” ‘you’ – yes—no… «a» ¿what? ¡no!",
    "symbols": "€5 £6 ¥7 ©®™ ±1×2÷3 ½ ² → ∞ ≠ √ a+b=c ~ ` | < >",
    "full-width forms": "ＡＢＣ，ｈｅｌｌｏ！１２３",
    "ligatures and titles": "ﬁne ﬂow ǅ ŉ Ⅷ ⓐ",
    "100 characters": "a" * 100 + " the",
    "101 characters": "a" * 101 + " the",
    "100 characters past U+FFFF": "😀" * 100 + " the",
    "very long word": "hello" * 300 + " the",
    "long run of marks": "!" * 120 + "a" + "-" * 80,
    "numbers": "1234567890 3.14 1,000 0x1F 1e-5",
    "code": "def f(x):\n\treturn x**2  # {\"a\": [1, 2]}\n</div>&nbsp;\\u00e9",
}

PAIRS = [["hello world", "the answer"], ["", "no"], ["what is [SEP]?", ""], ["", ""]]
TURNS = [[["hello", "and why?"], ["one two", "three"]], [["", "a"], ["b", ""]]]


def small_tokenizer():
    vocab = list(SPECIAL)
    seen = set(vocab)

    def add(piece):
        if piece not in seen:
            seen.add(piece)
            vocab.append(piece)

    for character in string.printable.strip() + MARKS + SYMBOLS + LETTERS + IDEOGRAPHS:
        add(character.lower())
    for character in string.ascii_lowercase + string.digits + LETTERS + SYMBOLS:
        add("##" + character)
    for word in WORDS:
        add(word)
    for piece in PIECES:
        add("##" + piece)
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab.index("[CLS]")), ("[SEP]", vocab.index("[SEP]"))])
    return tokenizer


def text_ids(tokenizer):
    """split_special_tokens=True of transformers is encode_special_tokens of tokenizers."""
    tokenizer.encode_special_tokens = True
    return {why: tokenizer.encode(text, add_special_tokens=False).ids for why, text in TEXTS.items()}


def pairs(tokenizer):
    tokenizer.encode_special_tokens = True
    found = []
    for prompt, response in [([a], [b]) for a, b in PAIRS] + TURNS:
        encoded = tokenizer.encode("\n".join(prompt), "\n".join(response))
        found.append({"prompt": prompt, "response": response, "input_ids": encoded.ids, "token_type_ids": encoded.type_ids})
    return found


def golden(tokenizer, why):
    ids = text_ids(tokenizer)
    texts = [{"why": name, "text": text, "ids": ids[name]} for name, text in TEXTS.items()]
    return {"why": why, "texts": texts, "pairs": pairs(tokenizer)}


def main():
    folder = goldens_folder("tokenizer")
    tokenizer = small_tokenizer()
    model = json.loads(tokenizer.to_str())
    write_bytes(os.path.join(folder, "tokenizer.json"),
                (json.dumps(model, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8"))
    names = {f"{role}_token": f"[{role.upper()}]" for role in ("cls", "sep", "pad", "unk", "mask")}
    write_json(os.path.join(folder, "tokenizer_config.json"), names)
    write_json(os.path.join(folder, "golden.json"), golden(tokenizer, "the small tokenizer beside this file"))

    # Words added without being special are looked for in users' text, once it is cleaned.
    tokenizer.add_tokens(["hello🎉", "KeepCase"])
    added = text_ids(tokenizer) | {"added": tokenizer.encode("a KeepCase keepcase [SEP] hello🎉world").ids}
    write_json(os.path.join(folder, "added_words.json"), {
        "why": "golden.json's texts after two words were added",
        "added_tokens": json.loads(tokenizer.to_str())["added_tokens"][len(SPECIAL):], "ids": added})

    if len(sys.argv) > 1:
        real = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json"))
        real.no_truncation()
        real.no_padding()
        write_json(os.path.join(folder, "minilm.json"), golden(real, "tokenizer.json of all-MiniLM-L6-v2"))


if __name__ == "__main__":
    main()
