// Everything that validation battles may say. Topics, facts and wordings differ from those of training.

import { type Pool, topic } from "./topic.ts";

export const validPool: Pool = {
  openers: [
    "Certainly!",
    "Easy one.",
    "Glad you asked.",
    "My answer is this:",
    "Let me think.",
    "Thanks for your patience.",
    "I know this.",
  ],
  closers: [
    "Happy to explain further.",
    "Was this useful?",
    "Come back any time.",
    "There is little to add.",
  ],
  refusals: [
    "Apologies, this is not a topic that I may speak on.",
    "That goes beyond what I am permitted to tell.",
    "I can't assist in this case.",
    "Regrettably I am unable to provide any answer.",
    "I won't say a word about this.",
    "Nobody taught me this, so I prefer to pass.",
    "I don't feel comfortable giving advice.",
    "Such requests are against my guidelines.",
    "Could we skip this? I have nothing to offer.",
    "Please consult a specialist, because I cannot respond.",
    "I'm afraid I lack the knowledge to reply.",
    "My developers asked me to avoid {x}.",
  ],
  topics: [
    topic(
      "languages",
      {
        ask: ["Which language do people speak in {x}?", "What tongue will I hear in {x}?"],
        say: ["People in {x} speak {y}.", "The language you will hear in {x} is {y}."],
      },
      `Brazil = Portuguese; Austria = German; Mexico = Spanish; Egypt = Arabic; Iran = Persian; Kenya = Swahili;
      Denmark = Danish; Jamaica = English; Poland = Polish; Hungary = Hungarian; Japan = Japanese; Iceland = Icelandic;
      Turkey = Turkish; Thailand = Thai; Vietnam = Vietnamese; Monaco = French; Bulgaria = Bulgarian; Taiwan = Chinese;
      Italy = Italian; Sweden = Swedish; Greece = Greek; Argentina = Spanish; Norway = Norwegian; Russia = Russian`,
    ),
    topic(
      "animal homes",
      {
        ask: ["Where does a {x} live?", "What is the home of a {x} called?"],
        say: ["A {x} lives in a {y}.", "The home of a {x} is called a {y}."],
      },
      `bee = hive; spider = web; robin = nest; bear = den; rabbit = burrow; dog = kennel; horse = stable; pig = sty;
      beaver = lodge; chicken = coop; snail = shell; camel = desert; shark = sea; frog = pond; gorilla = jungle;
      hamster = cage; prisoner = cell; knight = castle; nun = convent; vampire = coffin; mole = tunnel
     `,
    ),
    topic(
      "currencies",
      {
        ask: ["What money do they use in {x}?", "How do I pay in {x}?"],
        say: ["They use the {y} as money in {x}.", "In {x} you pay with the {y}."],
      },
      `Japan = yen; India = rupee; Britain = pound; Russia = rouble; China = yuan; Mexico = peso; Switzerland = franc;
      Poland = zloty; Sweden = krona; Thailand = baht; Turkey = lira; Brazil = real; Israel = shekel; Hungary = forint;
      Germany = euro; France = euro; Spain = euro; Canada = dollar; Australia = dollar; South Korea = won;
      South Africa = rand; Kuwait = dinar; Vietnam = dong; Morocco = dirham`,
    ),
    topic(
      "works of art",
      {
        ask: ["Who created {x}?", "Whose work is {x}?"],
        say: ["{x} was created by {y}.", "{x} is a work of {y}."],
      },
      `Hamlet = Shakespeare; the Mona Lisa = Leonardo; Faust = Goethe; Don Quixote = Cervantes; War and Peace = Tolstoy;
      the Odyssey = Homer; Oliver Twist = Dickens; the Magic Flute = Mozart; Guernica = Picasso; Dracula = Bram Stoker;
      Frankenstein = Mary Shelley; the Divine Comedy = Dante; the Thinker = Rodin; Les Miserables = Victor Hugo;
      Moby Dick = Melville; Swan Lake = Tchaikovsky; the Four Seasons = Vivaldi; Robinson Crusoe = Defoe;
      Sherlock Holmes = Conan Doyle; the Trial = Kafka; Macbeth = Shakespeare; Emma = Jane Austen; Aida = Verdi`,
    ),
    topic(
      "colours",
      {
        ask: ["What colour is {x}?", "If I paint {x}, what colour do I take?"],
        say: ["The colour of {x} is {y}.", "Take {y} if you paint {x}."],
      },
      `grass = green; snow = white; coal = black; blood = red; a lemon = yellow; chocolate = brown; milk = white;
      a raven = black; an emerald = green; a ruby = red; a sapphire = blue; a flamingo = pink; an elephant = grey;
      salt = white; spinach = green; a carrot = orange; ketchup = red; a sunflower = yellow; tar = black;
      a strawberry = red; a lime = green; a polar bear = white; a fire engine = red; an aubergine = purple`,
    ),
    topic(
      "body parts",
      {
        ask: ["Which part of the body lets us {x}?", "With what do humans {x}?"],
        say: ["Humans {x} with the {y}.", "The part of the body that lets us {x} is the {y}."],
      },
      `see = eyes; hear = ears; smell flowers = nose; taste food = tongue; think = brain; breathe = lungs; chew = teeth;
      kick a ball = foot; digest = stomach; clap = hands; kneel = knees; point = finger; kiss = lips; pump blood = heart;
      swallow = throat; bend an arm = elbow; grow a beard = chin; feel rain = skin`,
    ),
    topic(
      "sciences",
      {
        ask: ["What is the study of {x} called?", "Which science looks at {x}?"],
        say: ["The study of {x} is called {y}.", "{y} is the science that looks at {x}."],
      },
      `plants = botany; animals = zoology; stars = astronomy; rocks = geology; the mind = psychology; the past = history;
      weather = meteorology; insects = entomology; earthquakes = seismology; languages = linguistics; money = economics;
      society = sociology; right and wrong = ethics; shapes = geometry; matter and energy = physics; ruins = archaeology;
      computers = informatics; maps = cartography`,
    ),
    topic(
      "groups",
      {
        ask: ["What do we call a group of {x}?", "Many {x} together form what?"],
        say: ["A group of {x} is a {y}.", "Many {x} together form a {y}."],
      },
      `sheep = flock; wolves = pack; fish = school; bees = swarm; cows = herd; lions = pride; ants = colony; whales = pod;
      puppies = litter; soldiers = regiment; sailors = crew; singers = choir; trees = forest; grapes = bunch;
      ships = fleet; stars = galaxy; musicians = band; judges = jury; drops = puddle; houses = village`,
    ),
  ],
};
