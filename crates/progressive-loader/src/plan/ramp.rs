//! How far ahead of a reader that has just jumped.
//!
//! Fed by the window with the reader's moves; feeds it with how much of the look-ahead to use. A
//! demuxer hops: a header here, an index at the end, a sample in the middle. Most hops read little, so
//! a place that was just jumped to gets a small look-ahead, which grows with what is read there (as
//! operating systems ramp up readahead). A few places are remembered, since a demuxer comes back.

/// Places remembered: a header, an index, and a few tracks that are read in turns.
const PLACES: usize = 8;
/// How much the look-ahead grows for each byte read beyond the first chunk.
const GROWTH: u64 = 2;
/// The same on a fast link for each byte beyond [`READS_ON_BYTES`]: there each request costs more time than the bytes that a jump
/// makes useless.
const GROWTH_ON_A_FAST_LINK: u64 = 64;
/// Who has read so much in one place reads on: more than a header, or most films' first picture.
const READS_ON_BYTES: u64 = 512 << 10;

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where the reader is, or was last.
    position: u64,
    /// Up to where it has been.
    farthest: u64,
    /// Bytes read there, none counted twice.
    read_bytes: u64,
}

impl Place {
    fn new(position: u64) -> Self {
        Self {
            position,
            farthest: position,
            read_bytes: 0,
        }
    }
}

/// The places a reader is at, the present one last.
#[derive(Debug, Clone)]
pub struct Ramp {
    chunk_bytes: u64,
    is_fast: bool,
    /// How far ahead of a reader that has only looked at the start; nothing once it has read on or jumped.
    opening_bytes: Option<u64>,
    /// Nothing has been read since the last jump.
    has_just_jumped: bool,
    places: Vec<Place>,
}

impl Ramp {
    /// A reader at position 0. A place begins with a look-ahead of one and a half chunks: one that is
    /// read, and the next one before the first is read to its end. The start itself begins with `first_bytes`, if
    /// any: a demuxer may find there that it has to look at the end first, and another request on its way would
    /// then have to be given up with its connection.
    #[must_use]
    pub fn new(first_bytes: Option<u64>, chunk_bytes: u64) -> Self {
        let chunk_bytes = chunk_bytes.max(1);
        Self {
            chunk_bytes,
            is_fast: false,
            opening_bytes: first_bytes.map(|bytes| bytes.max(1)),
            has_just_jumped: false,
            places: vec![Place::new(0)],
        }
    }

    /// Whether the link is a fast one.
    pub fn set_fast(&mut self, is_fast: bool) {
        self.is_fast = is_fast;
    }

    /// Whether the reader has jumped, and read nothing since.
    #[must_use]
    pub fn has_just_jumped(&self) -> bool {
        self.has_just_jumped
    }

    /// How much of the content's start to fetch before anything else, while the reader has only looked at it.
    #[must_use]
    pub fn opening_bytes(&self) -> Option<u64> {
        self.opening_bytes
    }

    /// How far ahead to fetch, in bytes, before the look-ahead's own bound.
    #[must_use]
    pub fn ahead_bytes(&self) -> u64 {
        if let Some(opening_bytes) = self.opening_bytes {
            return opening_bytes;
        }
        let present = self.places.last();
        present.map_or(self.chunk_bytes, |place| self.reach(place))
    }

    /// The reader read on to `position`.
    pub fn read_to(&mut self, position: u64) {
        if let Some(place) = self.places.last_mut() {
            self.has_just_jumped &= position == place.position;
            let new = position.saturating_sub(place.farthest.max(place.position));
            place.read_bytes = place.read_bytes.saturating_add(new);
            place.position = position;
            place.farthest = place.farthest.max(position);
        }
        if self
            .opening_bytes
            .is_some_and(|bytes| position >= bytes / 2)
        {
            self.opening_bytes = None;
        }
    }

    /// The reader jumped to `position`: to a place that it knows, or to a new one.
    pub fn jump(&mut self, position: u64) {
        self.opening_bytes = None;
        self.has_just_jumped = true;
        let known = self
            .places
            .iter()
            .rposition(|place| self.is_near(place, position));
        let mut place = match known {
            Some(index) => self.places.remove(index),
            None => Place::new(position),
        };
        place.position = position;
        if self.places.len() == PLACES {
            self.places.remove(0);
        }
        self.places.push(place);
    }

    /// Within what is fetched for the place, or as far behind it.
    fn is_near(&self, place: &Place, position: u64) -> bool {
        place.position.abs_diff(position) <= self.reach(place)
    }

    fn reach(&self, place: &Place) -> u64 {
        let beyond = place.read_bytes.saturating_sub(self.chunk_bytes);
        let slow = beyond.saturating_mul(GROWTH);
        let reads_on = place.read_bytes.saturating_sub(READS_ON_BYTES);
        let grown = if self.is_fast {
            slow.max(reads_on.saturating_mul(GROWTH_ON_A_FAST_LINK))
        } else {
            slow
        };
        (self.chunk_bytes.saturating_mul(3) / 2).saturating_add(grown)
    }
}
