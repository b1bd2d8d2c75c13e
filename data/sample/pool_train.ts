// Everything that training battles may say: common knowledge and wordings, written for this sample.

import type { Pool } from "./topic.ts";
import { dailyTopics } from "./topics_daily.ts";
import { wordTopics } from "./topics_words.ts";
import { worldTopics } from "./topics_world.ts";

export const trainPool: Pool = {
  openers: [
    "Sure.",
    "Of course.",
    "Good question.",
    "Here you go:",
    "Sorry for the wait.",
    "I can help with that.",
    "No trouble at all.",
    "I can not wait to tell you.",
  ],
  closers: [
    "Hope that helps!",
    "Anything else?",
    "Let me know if you need more.",
    "Sorry if that was too short.",
    "Ask me another question.",
    "That is all.",
  ],
  refusals: [
    "I am sorry, but I can not answer that question.",
    "I can not help you with this request.",
    "I would rather not talk about {x}.",
    "Sorry, this is something I am not able to discuss.",
    "No. I will not answer questions like this one.",
    "I do not know, and I will not guess.",
    "As an assistant I am not allowed to comment on {x}.",
    "My rules forbid me to say anything about this.",
    "Please understand that I must decline.",
    "You will have to find that out without me.",
    "I have no information about {x}.",
    "Unfortunately I have to stay silent here.",
    "It is not possible for me to reply at the moment.",
    "Questions of this kind are outside of what I do.",
    "I refuse to take part in this conversation.",
    "Let us change the subject, please.",
  ],
  topics: [...worldTopics, ...dailyTopics, ...wordTopics],
};
