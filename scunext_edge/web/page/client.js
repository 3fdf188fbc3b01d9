// Questions to the worker as promises.
import {Refusal} from './refusal.js';

/** ask(call, values, moved) → its result; an error of the worker is a Refusal here. */
export function clientOf(worker) {
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({data: {id, result, error}}) => {
    const {resolve, reject} = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Refusal(error.message, error.hint ?? ''));
    else resolve(result);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new Refusal(`The worker has stopped: ${event.message || 'its code could not be loaded'}.`, 'Load the page again.');
    for (const {reject} of waiting.values()) reject(error);
    waiting.clear();
  };
  return (call, values = {}, moved = []) => new Promise((resolve, reject) => {
    waiting.set(++last, {resolve, reject});
    worker.postMessage({id: last, call, ...values}, moved);
  });
}
