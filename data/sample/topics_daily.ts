// Training topics about everyday things: work, tools, food, sport.

import { type Topic, topic } from "./topic.ts";

export const dailyTopics: Topic[] = [
  topic(
    "places of work",
    {
      ask: ["Where does a {x} work?", "Where is the job of a {x} done?", "Where can I meet a {x} at work?"],
      say: ["A {x} works in a {y}.", "The job of a {x} is done in a {y}.", "You meet a {x} in a {y}."],
    },
    `baker = bakery; teacher = school; nurse = hospital; judge = court; farmer = field; librarian = library;
      pilot = cockpit; sailor = ship; miner = mine; banker = bank; monk = monastery;
      priest = church; waiter = restaurant; chemist = laboratory; brewer = brewery; zookeeper = zoo; mechanic = garage;
      curator = museum; clown = circus; lumberjack = forest; florist = flower shop; king = palace; model = studio`,
  ),
  topic(
    "tools",
    {
      ask: ["What is a {x} used for?", "What do people do with a {x}?", "Why would I need a {x}?"],
      say: ["A {x} is used for {y}.", "With a {x} people are {y}.", "You need a {x} for {y}."],
    },
    `hammer = driving nails; saw = cutting wood; broom = sweeping floors; kettle = boiling water;
      needle = sewing clothes; pen = writing letters; camera = taking photos; comb = tidying hair;
      ladder = climbing a wall; telescope = watching stars; clock = telling the time; towel = drying skin;
      toothbrush = cleaning teeth; corkscrew = opening wine; razor = shaving a beard; key = opening a lock;
      shovel = digging holes; compass = finding north; pillow = resting the head; fridge = cooling food;
      bucket = carrying water; tent = camping outdoors; calculator = adding numbers; lamp = lighting a room`,
  ),
  topic(
    "materials",
    {
      ask: ["What are {x} made of?", "Which material goes into {x}?", "What does one make {x} from?"],
      say: ["{x} are made of {y}.", "The material in {x} is {y}.", "One makes {x} from {y}."],
    },
    `windows = glass; tyres = rubber; candles = wax; books = paper; sweaters = wool; bricks = clay; coins = metal;
      igloos = snow; sandcastles = sand; raisins = grapes; fries = potatoes; omelettes = eggs; jeans = denim;
      pickles = cucumbers; prunes = plums; nests = twigs; roads = asphalt; diamonds = carbon; bottles = glass;
      ropes = hemp; barrels = oak; tortillas = corn; noodles = flour; rainbows = light; ice cubes = water`,
  ),
  topic(
    "sports",
    {
      ask: ["Which sport uses {x}?", "In which sport do I need {x}?", "Name the sport that has {x}."],
      say: ["{y} is the sport that uses {x}.", "You need {x} in {y}.", "The sport that has {x} is {y}."],
    },
    `a puck = ice hockey; a shuttlecock = badminton; a tee = golf; a surfboard = surfing; a horse = riding;
      a bow and arrows = archery; a hoop = basketball; a wicket = cricket; a home plate = baseball; boxing gloves = boxing;
      oars = rowing; a rapier = fencing; a cue = snooker; ten pins = bowling; a scrum = rugby; an aqualung = diving;
      a parachute = skydiving; a pedal bike = cycling; a javelin = athletics; a sail = sailing; a penalty kick = football;
      a black belt = judo; the butterfly stroke = swimming; kings and pawns = chess`,
  ),
  topic(
    "diets",
    {
      ask: ["What does a {x} eat?", "What is the food of a {x}?"],
      say: ["A {x} eats {y}.", "The food of a {x} is {y}."],
    },
    `panda = bamboo; cow = grass; squirrel = nuts; koala = eucalyptus leaves; mosquito = blood;
      silkworm = mulberry leaves; mouse = cheese; rabbit = carrots; blue whale = krill; vulture = dead animals;
      otter = fish; lion = zebras; parrot = seeds; hummingbird = nectar; woodpecker = larvae`,
  ),
  topic(
    "shops",
    {
      ask: ["Where can I buy {x}?", "Which shop sells {x}?"],
      say: ["You can buy {x} at the {y}.", "The shop that sells {x} is the {y}."],
    },
    `stamps = post office; meat = butcher; roses = florist; petrol = gas station; glasses = optician;
      wedding rings = jeweller; novels = bookshop; screws = hardware store; newspapers = kiosk;
      salmon = fishmonger; rail tickets = station; hamsters = pet shop; sneakers = shoe shop;
      guitars = music store; toys = toy store`,
  ),
  topic(
    "units",
    {
      ask: ["In which unit do we measure {x}?", "What is the unit of {x}?"],
      say: ["We measure {x} in {y}.", "The unit of {x} is called {y}."],
    },
    `weight = kilograms; length = metres; time = seconds; temperature = degrees; power = watts; force = newtons;
      electric current = amperes; noise = decibels; energy = joules; frequency = hertz; computer memory = bytes;
      gold = carats; pressure = pascals; fuel = litres`,
  ),
  topic(
    "young animals",
    {
      ask: ["What is a baby {x} called?", "What do you call the young of a {x}?", "A young {x} has which name?"],
      say: ["A baby {x} is called a {y}.", "The young of a {x} is a {y}.", "People call a young {x} a {y}."],
    },
    `dog = puppy; cat = kitten; cow = calf; sheep = lamb; horse = foal; goat = kid; pig = piglet; duck = duckling;
      goose = gosling; swan = cygnet; deer = fawn; kangaroo = joey; bear = cub; lion = cub; frog = tadpole; hen = chick;
      butterfly = caterpillar; hedgehog = hoglet; whale = calf; zebra = foal; donkey = foal; fly = maggot;
      pigeon = squab; spider = spiderling`,
  ),
];
