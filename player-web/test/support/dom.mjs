// As much of a document as text tracks need.

export class FakeCue {
  id = '';
  align = 'center';
  line = 'auto';
  lineAlign = 'start';
  position = 'auto';
  positionAlign = 'auto';
  region = null;
  size = 100;
  snapToLines = true;
  #vertical = '';

  constructor(startTime, endTime, text) {
    Object.assign(this, { startTime, endTime, text });
  }

  get vertical() {
    return this.#vertical;
  }

  set vertical(value) {
    // What is none is ignored, as an enumeration does it.
    if (['', 'lr', 'rl'].includes(value)) this.#vertical = value;
  }
}

export class FakeVideo {
  textTracks = Object.assign(new EventTarget(), {
    list: [],
    [Symbol.iterator]() {
      return this.list[Symbol.iterator]();
    },
    get length() {
      return this.list.length;
    },
  });
  ownerDocument = { createElement: (name) => new FakeTrackElement(name, this) };

  append(element) {
    this.textTracks.list.push(element.track);
  }

  querySelector() {
    return null;
  }
}

class FakeTrackElement extends EventTarget {
  kind = 'subtitles';
  label = '';
  srclang = '';
  src = '';
  default = false;
  track = new FakeTrack(this);
  #video;

  constructor(name, video) {
    super();
    if (name !== 'track') throw new Error(name);
    this.#video = video;
    this.track.changed = () => video.textTracks.dispatchEvent(new Event('change'));
  }

  remove() {
    const { list } = this.#video.textTracks;
    list.splice(list.indexOf(this.track), 1);
  }

  /** The file is there, or is not: what was added before is gone. */
  settle(type) {
    this.track.list = [];
    this.dispatchEvent(new Event(type));
  }
}

class FakeTrack {
  list = [];
  #mode = 'disabled';
  #element;

  constructor(element) {
    this.#element = element;
  }

  get kind() {
    return this.#element.kind;
  }

  get label() {
    return this.#element.label;
  }

  get element() {
    return this.#element;
  }

  get mode() {
    return this.#mode;
  }

  set mode(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.changed();
  }

  get cues() {
    return this.#mode === 'disabled' ? null : this.list;
  }

  addCue(cue) {
    this.list = [...this.list.filter((other) => other !== cue), cue];
  }

  removeCue(cue) {
    if (!this.list.includes(cue)) throw new Error('NotFoundError');
    this.list = this.list.filter((other) => other !== cue);
  }
}
