// What the server answered: JSON, or something else was asked.
import {Refusal} from './refusal.js';

/** The JSON of an answer; a proxy's page, or one that was cut off, is refused in words. */
export async function toldBy(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Refusal(
      `The answer (${answer.status}) was cut off, or is not this server's.`,
      'Try again. If it stays so, ask who runs the server what stands before it.');
  }
}
