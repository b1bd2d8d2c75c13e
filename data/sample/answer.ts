// Writes one chatbot's answer and plants its features: the wording shows what the features say, and nothing else decides.

import type { Random } from "../random.ts";
import type { Chatbot } from "./chatbots.ts";

import type { Fact, Pool, Topic } from "./topic.ts";

/** What was planted in a text; each is 0 or 1. Only a helpful text can be on topic, only one on topic can be right. */
export interface Features {
  helpful: number;
  onTopic: number;
  right: number;
  clear: number;
}

/** A text and its features. */
export interface Answer {
  text: string;
  features: Features;
}

/** A fact asked about, with its topic. */
export interface Subject {
  topic: Topic;
  fact: Fact;
}

/** Draws what `bot` answers to a question about `subject`, using the wordings of `pool` only. */
export function writeAnswer(draw: Random, pool: Pool, bot: Chatbot, subject: Subject): Answer {
  const features = drawFeatures(draw, bot);
  let sentence = capitalise(mainSentence(draw, pool, subject, features));
  if (!features.clear) sentence = garble(draw, sentence);
  return { text: dress(draw, pool, sentence, features), features };
}

function drawFeatures(draw: Random, bot: Chatbot): Features {
  const helpful = draw.uniform() < bot.refuse ? 0 : 1;
  const onTopic = helpful && draw.uniform() >= bot.stray ? 1 : 0;
  const right = onTopic && draw.uniform() >= bot.err ? 1 : 0;
  const clear = helpful && draw.uniform() < bot.garble ? 0 : 1;
  return { helpful, onTopic, right, clear };
}

function mainSentence(draw: Random, pool: Pool, { topic, fact }: Subject, features: Features): string {
  if (!features.helpful) return fill(pick(draw, pool.refusals), fact);
  if (!features.onTopic) {
    const other = pick(draw, pool.topics.filter((candidate) => candidate !== topic));
    return fill(pick(draw, other.say), pick(draw, other.facts));
  }
  if (features.right) return fill(pick(draw, topic.say), fact);
  const wrong = topic.facts.filter(({ y }) => y !== fact.y);
  return fill(pick(draw, topic.say), { x: fact.x, y: pick(draw, wrong).y });
}

/** Puts an opener before and a closer behind, to answers of any quality: less often where garbling has cost tokens. */
function dress(draw: Random, pool: Pool, sentence: string, features: Features): string {
  const extra = features.clear ? 0.25 : 0.1;
  const parts = [sentence];
  if (draw.uniform() < extra) parts.unshift(pick(draw, pool.openers));
  if (draw.uniform() < extra) parts.push(pick(draw, pool.closers));
  return parts.join(" ");
}

/** Breaks a sentence: letters of most longer words exchanged and, in two of three cases, the words in another order. */
function garble(draw: Random, sentence: string): string {
  const words = sentence.replace(/[.!?,]/g, "").split(" ");
  const misspelt = words.map((word) => word.length > 3 && draw.uniform() < 0.8 ? misspell(draw, word) : word);
  const broken = misspelt.filter((word, i) => word !== words[i]).length;
  const disordered = draw.below(3) > 0 || broken < 2;
  return (disordered ? disorder(draw, misspelt) : misspelt).join(" ") + ".";
}

/** Shuffles until the order differs in at least half of the places. */
function disorder(draw: Random, words: string[]): string[] {
  for (;;) {
    const shuffled = draw.shuffle([...words]);
    if (shuffled.filter((word, i) => word !== words[i]).length * 2 >= words.length) return shuffled;
  }
}

function misspell(draw: Random, word: string): string {
  const i = 1 + draw.below(word.length - 3);
  return word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2);
}

/** Puts a fact's words into a wording. */
export function fill(wording: string, { x, y }: Fact): string {
  return wording.replaceAll("{x}", x).replaceAll("{y}", y);
}

/** First letter of each sentence in upper case. */
export function capitalise(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

/** One of `from`, all alike likely. */
export function pick<T>(draw: Random, from: readonly T[]): T {
  return from[draw.below(from.length)];
}
