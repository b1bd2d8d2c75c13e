// Training topics about countries, people and records.

import { type Topic, topic } from "./topic.ts";

export const worldTopics: Topic[] = [
  topic(
    "capitals",
    {
      ask: ["What is the capital of {x}?", "Name the capital city of {x}.", "Which city governs {x}?"],
      say: ["The capital of {x} is {y}.", "{y} is the capital city of {x}.", "In {x} the government sits in {y}."],
    },
    `France = Paris; Italy = Rome; Spain = Madrid; Germany = Berlin; Japan = Tokyo; China = Beijing; Egypt = Cairo;
      Greece = Athens; Portugal = Lisbon; Austria = Vienna; Russia = Moscow; Poland = Warsaw; Norway = Oslo;
      Sweden = Stockholm; Finland = Helsinki; Denmark = Copenhagen; Ireland = Dublin; Hungary = Budapest; Cuba = Havana;
      Peru = Lima; Kenya = Nairobi; Turkey = Ankara; Canada = Ottawa; Thailand = Bangkok; Belgium = Brussels`,
  ),
  topic(
    "landmarks",
    {
      ask: ["In which country is {x}?", "Where would I travel to visit {x}?", "Where in the world is {x}?"],
      say: ["{x} is in {y}.", "Travel to {y} to visit {x}.", "The country of {x} is {y}."],
    },
    `the Eiffel Tower = France; the Colosseum = Italy; the Great Wall = China; the Taj Mahal = India;
      Big Ben = England; the Statue of Liberty = America; the Kremlin = Russia; the Acropolis = Greece;
      Machu Picchu = Peru; Mount Fuji = Japan; the Alhambra = Spain; the Brandenburg Gate = Germany;
      the Sydney Opera = Australia; the Great Sphinx = Egypt; the Blue Mosque = Turkey; the Matterhorn = Switzerland;
      Loch Ness = Scotland; Table Mountain = South Africa; the Grand Canyon = America; Stonehenge = England;
      Mount Vesuvius = Italy; Angkor Wat = Cambodia; the Dead Sea = Israel; Versailles = France`,
  ),
  topic(
    "dishes",
    {
      ask: ["Which country gave us {x}?", "What nation invented {x}?", "Whose national food is {x}?"],
      say: ["The country that gave us {x} is {y}.", "{y} invented {x}.", "The national food of {y} is {x}."],
    },
    `sushi = Japan; pizza = Italy; tacos = Mexico; paella = Spain; croissants = France; naan bread = India; kimchi = Korea;
      feta cheese = Greece; goulash = Hungary; chicken Kiev = Ukraine; haggis = Scotland; pho = Vietnam; poutine = Canada;
      bratwurst = Germany; fondue = Switzerland; waffles = Belgium; ceviche = Peru; pierogi = Poland; kebab = Turkey;
      pad thai = Thailand; dim sum = China; lasagna = Italy; burritos = Mexico; couscous = Morocco`,
  ),
  topic(
    "first names",
    {
      ask: ["What was the first name of {x}?", "What name did the parents of {x} choose?"],
      say: ["The first name of {x} was {y}.", "The parents of {x} chose the name {y}."],
    },
    `Einstein = Albert; Mozart = Wolfgang; Churchill = Winston; Newton = Isaac; Darwin = Charles;
      Lincoln = Abraham; Columbus = Christopher; Beethoven = Ludwig; Edison = Thomas; Napoleon's wife = Josephine;
      Chaplin = Charlie; Armstrong = Neil; Presley = Elvis; Gandhi = Mohandas; Mandela = Nelson; Marx = Karl`,
  ),
  topic(
    "holidays",
    {
      ask: ["In which month is {x}?", "When do people celebrate {x}?"],
      say: ["{x} is in {y}.", "People celebrate {x} in {y}."],
    },
    `Christmas = December; Halloween = October; Valentine's Day = February; New Year's Day = January;
      Independence Day = July; Thanksgiving = November; Saint Patrick's Day = March; Labour Day in Europe = May;
      Boxing Day = December; Bastille Day = July; the Day of the Dead = November; Epiphany = January`,
  ),
  topic(
    "inventors",
    {
      ask: ["Who invented {x}?", "Whose idea was {x}?"],
      say: ["{x} came from {y}.", "The inventor of {x} was {y}."],
    },
    `the telephone = Bell; the light bulb = Edison; dynamite = Nobel; the steam engine = Watt;
      the radio = Marconi; the printing press = Gutenberg; the Web = Berners Lee; the diesel engine = Diesel;
      the airplane = the Wright brothers; the zeppelin = Zeppelin; the lightning rod = Franklin;
      the assembly line = Ford; raised dot writing = Braille; the battery = Volta`,
  ),
  topic(
    "gods",
    {
      ask: ["What was {x} the god of?", "Which power did the god {x} have?"],
      say: ["{x} was the god of {y}.", "The god {x} had power over {y}."],
    },
    `Zeus = thunder; Poseidon = the sea; Mars = war; Cupid = love; Hades = the underworld; Bacchus = wine;
      Thor = thunder; Neptune = the sea; Hypnos = sleep; Ares = war; Janus = doors; Pan = shepherds; Ra = the sun;
      Aeolus = the winds`,
  ),
  topic(
    "superlatives",
    {
      ask: ["What is {x}?", "Can you name {x}?"],
      say: ["{x} is {y}.", "{y} counts as {x}."],
    },
    `the tallest animal = the giraffe; the fastest land animal = the cheetah; the largest planet = Jupiter;
      the highest mountain = Everest; the biggest ocean = the Pacific; the largest country = Russia;
      the smallest bird = the hummingbird; the heaviest animal = the blue whale; the hottest planet = Venus;
      the hardest gem = diamond; the coldest continent = Antarctica; the closest star = the sun;
      the shortest month = February; the largest rainforest = the Amazon`,
  ),
];
