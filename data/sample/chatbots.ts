// The dozen invented chatbots. A profile says how often a bot's text carries each flaw; nobody is scored by name.

/** Chances, 0 to 1, that an answer of this bot is flawed in each way. */
export interface Chatbot {
  name: string;
  refuse: number;
  stray: number;
  err: number;
  garble: number;
}

export const chatbots: Chatbot[] = [
  { name: "aster-large", refuse: 0.03, stray: 0.03, err: 0.05, garble: 0.02 },
  { name: "birch-2", refuse: 0.05, stray: 0.06, err: 0.1, garble: 0.05 },
  { name: "cobalt-chat", refuse: 0.08, stray: 0.1, err: 0.2, garble: 0.05 },
  { name: "dune-mini", refuse: 0.05, stray: 0.3, err: 0.3, garble: 0.1 },
  { name: "ember-safe", refuse: 0.6, stray: 0.05, err: 0.05, garble: 0.03 },
  { name: "fjord-7", refuse: 0.2, stray: 0.15, err: 0.15, garble: 0.1 },
  { name: "glimmer", refuse: 0.05, stray: 0.6, err: 0.15, garble: 0.05 },
  { name: "harbor-guard", refuse: 0.45, stray: 0.1, err: 0.1, garble: 0.1 },
  { name: "iris-old", refuse: 0.1, stray: 0.2, err: 0.3, garble: 0.35 },
  { name: "jumble-1", refuse: 0.05, stray: 0.1, err: 0.1, garble: 0.7 },
  { name: "kestrel", refuse: 0.1, stray: 0.45, err: 0.1, garble: 0.2 },
  { name: "lumen-tiny", refuse: 0.15, stray: 0.25, err: 0.4, garble: 0.5 },
];
