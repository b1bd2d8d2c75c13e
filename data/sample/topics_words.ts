// Training topics about words and numbers.

import { type Topic, topic } from "./topic.ts";

export const wordTopics: Topic[] = [
  topic(
    "opposites",
    {
      ask: ["What is the opposite of {x}?", "Which word means the reverse of {x}?", "Give me an antonym for {x}."],
      say: ["The opposite of {x} is {y}.", "{y} means the reverse of {x}.", "An antonym for {x} is {y}."],
    },
    `hot = cold; big = small; day = night; up = down; left = right; fast = slow; old = new; wet = dry; hard = soft;
      full = empty; happy = sad; rich = poor; strong = weak; early = late; open = closed; heavy = light;
      clean = dirty; near = far; thick = thin; sharp = blunt; sweet = bitter; tall = short; true = false; war = peace;
      love = hate; win = lose; buy = sell; push = pull; wide = narrow; cheap = expensive; friend = enemy`,
  ),
  topic(
    "numbers",
    {
      ask: ["What is the number of {x}?", "Can you count the {x}?", "Tell me the total of {x}."],
      say: ["The number of {x} is {y}.", "There are {y} {x}.", "I count {y} {x}."],
    },
    `days in a week = seven; months in a year = twelve; legs on a spider = eight; legs on an ant = six;
      hours in a day = twenty four; minutes in an hour = sixty; sides of a triangle = three; wheels on a bicycle = two;
      fingers on one hand = five; cards in a deck = fifty two; letters in English = twenty six; seasons in a year = four;
      strings on a violin = four; players in a football team = eleven; squares on a chessboard = sixty four;
      cents in a dollar = one hundred; years in a decade = ten; eggs in a dozen = twelve; faces of a cube = six;
      arms of an octopus = eight; wheels on a tricycle = three; days in April = thirty; lives of a cat = nine`,
  ),
  topic(
    "rhymes",
    {
      ask: ["What rhymes with {x}?", "Find a rhyme for {x}."],
      say: ["{x} rhymes with {y}.", "A rhyme for {x} is {y}."],
    },
    `hat = cat; moon = spoon; tree = bee; house = mouse; light = kite; bear = chair; rain = train; fox = box;
      dog = frog; wall = ball; cake = lake; ring = king; boat = coat; star = car; bread = head; sand = hand;
      nose = rose; clock = sock`,
  ),
  topic(
    "sums",
    {
      ask: ["How much is {x}?", "Work out {x} for me."],
      say: ["{x} makes {y}.", "The result of {x} is {y}."],
    },
    `two plus two = four; three plus two = five; five plus five = ten; six minus three = three;
      ten minus one = nine; four times two = eight; three times four = twelve; seven plus four = eleven;
      eight minus two = six; nine plus eleven = twenty; half of fourteen = seven; five times six = thirty;
      ten times ten = one hundred; one minus one = zero`,
  ),
  topic(
    "Spanish",
    {
      ask: ["How do I say {x} in Spanish?", "Translate {x} into Spanish."],
      say: ["In Spanish {x} is {y}.", "The Spanish say {y} for {x}."],
    },
    `hello = hola; thank you = gracias; water = agua; house = casa; friend = amigo; dog = perro; cat = gato;
      yes = si; red = rojo; night = noche; bread = pan; milk = leche; book = libro; sun = sol; please = por favor;
      goodbye = adios; beer = cerveza; love = amor`,
  ),
  topic(
    "plurals",
    {
      ask: ["What is the plural of {x}?", "How do I write more than one {x}?"],
      say: ["The plural of {x} is {y}.", "More than one {x} is written {y}."],
    },
    `child = children; mouse = mice; tooth = teeth; foot = feet; man = men; woman = women; wolf = wolves;
      leaf = leaves; ox = oxen; person = people; knife = knives; city = cities; baby = babies; church = churches;
      potato = potatoes; wife = wives`,
  ),
  topic(
    "counterparts",
    {
      ask: ["Who is the female counterpart of a {x}?", "A woman cannot be a {x}, so what is she?"],
      say: ["The female counterpart of a {x} is a {y}.", "She is a {y}, not a {x}."],
    },
    `king = queen; prince = princess; brother = sister; bull = cow; rooster = hen; husband = wife;
      father = mother; nephew = niece; wizard = witch; duke = duchess; waiter = waitress; son = daughter;
      groom = bride; ram = ewe; stallion = mare; lord = lady; god = goddess; hero = heroine`,
  ),
  topic(
    "Roman numerals",
    {
      ask: ["What is {x} as a Roman numeral?", "How did the Romans write {x}?"],
      say: ["The Romans wrote {x} as {y}.", "{x} as a Roman numeral is {y}."],
    },
    `one = I; two = II; four = IV; five = V; six = VI; nine = IX; ten = X; eleven = XI; fifty = L; ninety = XC;
      one hundred = C; five hundred = D; one thousand = M`,
  ),
];
