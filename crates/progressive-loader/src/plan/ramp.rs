//! How far ahead of a reader that has just jumped.
//!
//! Fed by the window with the reader's moves; feeds it with how much of the look-ahead to use. A
//! demuxer hops: a header here, an index at the end, a sample in the middle. Most hops read little, so
//! a place that was just jumped to gets a small look-ahead, which grows with what is read there (as
//! operating systems ramp up readahead). A few places are remembered, since a demuxer comes back.

/// Places remembered: a header, an index, and a few tracks that are read in turns.
const PLACES: usize = 8;
/// How much the look-ahead grows for each byte read.
const GROWTH: u64 = 2;

#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where the reader was last.
    position: u64,
    /// Bytes read there.
    read_bytes: u64,
}

/// The places a reader is at, the present one last.
#[derive(Debug, Clone)]
pub struct Ramp {
    first_bytes: u64,
    places: Vec<Place>,
}

impl Ramp {
    /// A reader at position 0. A place begins with a look-ahead of `first_bytes`.
    #[must_use]
    pub fn new(first_bytes: u64) -> Self {
        Self {
            first_bytes: first_bytes.max(1),
            places: vec![Place {
                position: 0,
                read_bytes: 0,
            }],
        }
    }

    /// How far ahead to fetch, in bytes, before the look-ahead's own bound.
    #[must_use]
    pub fn ahead_bytes(&self) -> u64 {
        self.places
            .last()
            .map_or(self.first_bytes, |place| self.reach(place))
    }

    /// The reader read on to `position`.
    pub fn read_to(&mut self, position: u64) {
        if let Some(place) = self.places.last_mut() {
            place.read_bytes += position.saturating_sub(place.position);
            place.position = position;
        }
    }

    /// The reader jumped to `position`: to a place that it knows, or to a new one.
    pub fn jump(&mut self, position: u64) {
        let known = self
            .places
            .iter()
            .rposition(|place| self.is_near(place, position));
        let mut place = match known {
            Some(index) => self.places.remove(index),
            None => Place {
                position,
                read_bytes: 0,
            },
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
        self.first_bytes
            .saturating_add(place.read_bytes.saturating_mul(GROWTH))
    }
}
