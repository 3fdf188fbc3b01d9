/** Something that is refused on purpose: what, and in `hint` what to do about it. */
export class Refusal extends Error {
  constructor(message, hint = '') {
    super(message);
    this.name = 'Refusal';
    this.hint = hint;
  }
}
