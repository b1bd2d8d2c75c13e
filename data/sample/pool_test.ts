// Everything that test battles may say. Topics, facts and wordings differ from those of training and validation.

import { type Pool, topic } from "./topic.ts";

export const testPool: Pool = {
  openers: ["Right away.", "With pleasure.", "Well now.", "Nothing simpler.", "Allow me.", "Pardon the delay."],
  closers: ["Was that clear?", "More tomorrow.", "You are welcome.", "I could not say it better.", "Good luck!"],
  refusals: [
    "I must not reply to messages of this kind.",
    "Forgive me, but {x} is off limits.",
    "This falls outside my abilities, try an encyclopedia.",
    "I decline to answer.",
    "Anything on {x} would be improper coming from me.",
    "Not today. I have been told to keep quiet on {x}.",
    "There is no answer I can give you.",
    "Sadly I am restricted from dealing with such things.",
  ],
  topics: [
    topic(
      "continents",
      {
        ask: ["On which continent is {x}?", "{x} belongs to what continent?"],
        say: ["{x} is on the continent of {y}.", "{x} belongs to {y}."],
      },
      `Kenya = Africa; Nigeria = Africa; Ghana = Africa; Senegal = Africa; Peru = South America; Chile = South America;
      Bolivia = South America; Brazil = South America; India = Asia; Nepal = Asia; Mongolia = Asia; Vietnam = Asia;
      Norway = Europe; Portugal = Europe; Latvia = Europe; Austria = Europe; Canada = North America;
      Mexico = North America; Queensland = Australia; the South Pole = Antarctica`,
    ),
    topic(
      "sounds",
      {
        ask: ["What sound does a {x} make?", "What does a {x} say?"],
        say: ["A {x} makes the sound {y}.", "{y}, that is what a {x} says."],
      },
      `dog = woof; cat = meow; cow = moo; sheep = baa; pig = oink; duck = quack; bee = buzz; snake = hiss; horse = neigh;
      crow = caw; mouse = squeak; turkey = gobble; ghost = boo; clock = tick tock; doorbell = ding dong; train = choo choo;
      bomb = boom; heart = thump`,
    ),
    topic(
      "past tense",
      {
        ask: ["What is the past tense of {x}?", "Put the verb {x} into the past."],
        say: ["The past tense of {x} is {y}.", "In the past, the verb {x} turns into {y}."],
      },
      `go = went; see = saw; eat = ate; buy = bought; run = ran; think = thought; write = wrote; bring = brought;
      take = took; give = gave; sing = sang; fly = flew; teach = taught; break = broke; sleep = slept; swim = swam;
      know = knew; find = found; feel = felt; drive = drove`,
    ),
    topic(
      "origins",
      {
        ask: ["Where do we get {x} from?", "What is the source of {x}?"],
        say: ["We get {x} from {y}.", "The source of {x} is {y}."],
      },
      `milk = cows; honey = bees; wool = sheep; silk = silkworms; pearls = oysters; wine = grapes; paper = trees;
      petrol = crude oil; chocolate = cocoa beans; ivory = elephants; flour = wheat; caviar = sturgeon; bacon = pigs;
      vanilla = orchids; tofu = soybeans; sugar = sugar cane; opium = poppies; linen = flax`,
    ),
    topic(
      "rivers",
      {
        ask: ["Which river flows through {x}?", "What river do I cross in {x}?"],
        say: ["The river that flows through {x} is the {y}.", "In {x} you cross the {y}."],
      },
      `London = Thames; Paris = Seine; Rome = Tiber; Cairo = Nile; Vienna = Danube; Budapest = Danube; Cologne = Rhine;
      Hamburg = Elbe; Dresden = Elbe; New Orleans = Mississippi; Florence = Arno; Baghdad = Tigris; Dublin = Liffey;
      Frankfurt = Main; Washington = Potomac; Lisbon = Tagus; Warsaw = Vistula; Calcutta = Ganges`,
    ),
  ],
};
