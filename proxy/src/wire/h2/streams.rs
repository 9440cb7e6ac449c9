//! The streams of a connection that are open or that somebody holds, by place and by number. Used by `connection` alone.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Index, IndexMut};

use super::stream::Stream;

/// See above. A place stays that of its stream until it is freed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Option<Box<Stream>>>,
    free: Vec<usize>,
    /// Memory of streams that are gone, for those that come.
    #[allow(clippy::vec_box)]
    spare: Vec<Box<Stream>>,
    by_id: HashMap<u32, usize, BuildHasherDefault<IdHasher>>,
}

impl Streams {
    pub(super) fn add(&mut self, stream: Stream) -> usize {
        let id = stream.id;
        let place = self.free.pop().unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push(None);
        }
        self.places[place] = Some(match self.spare.pop() {
            Some(mut spare) => {
                *spare = stream;
                spare
            }
            None => Box::new(stream),
        });
        self.by_id.insert(id, place);
        place
    }

    pub(super) fn remove(&mut self, place: usize) {
        let Some(mut stream) = self.places.get_mut(place).and_then(Option::take) else { return };
        self.by_id.remove(&stream.id);
        self.free.push(place);
        if self.spare.len() < SPARE {
            stream.let_go();
            self.spare.push(stream);
        }
        if self.by_id.is_empty() && self.places.len() > KEPT {
            // What a burst needed is given back.
            *self = Streams::default();
        }
    }

    pub(super) fn find(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The stream at a place, if it is still the one of that number.
    pub(super) fn still(&mut self, place: usize, id: u32) -> Option<&mut Stream> {
        self.places.get_mut(place)?.as_deref_mut().filter(|stream| stream.id == id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Stream)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(place, stream)| stream.as_deref_mut().map(|stream| (place, stream)))
    }
}

impl Index<usize> for Streams {
    type Output = Stream;

    fn index(&self, place: usize) -> &Stream {
        self.places[place].as_deref().expect("whoever knows a place holds its stream")
    }
}

impl IndexMut<usize> for Streams {
    fn index_mut(&mut self, place: usize) -> &mut Stream {
        self.places[place].as_deref_mut().expect("whoever knows a place holds its stream")
    }
}

/// Numbers of streams that we have reset: what the peer had sent before it heard of that is no fault of it (RFC 9113 section 5.1).
#[derive(Debug, Default)]
pub(super) struct Resets {
    ids: VecDeque<u32>,
    /// Of the streams up to here nobody knows any more how they ended.
    forgotten: u32,
}

impl Resets {
    pub(super) fn add(&mut self, id: u32) {
        if self.ids.len() == REMEMBERED
            && let Some(oldest) = self.ids.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.ids.push_back(id);
    }

    pub(super) fn may_hold(&self, id: u32) -> bool {
        id <= self.forgotten || self.ids.contains(&id)
    }
}

/// Numbers are made by the peer, but only in steps: they need no secret to be spread.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Places that are kept when no stream is left.
const KEPT: usize = 16;
/// Streams whose memory is kept.
const SPARE: usize = 4;
/// Resets that are remembered.
const REMEMBERED: usize = 256;
