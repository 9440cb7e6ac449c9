//! A descriptor: what of a request a limit is for, as keys and values in order. Made by [`super::RateLimit`], looked up by filters.

use smallvec::SmallVec;

/// What a request makes of one limit.
#[derive(Debug, Default)]
pub(in crate::http) struct Descriptor {
    /// Keys and values in turn, each behind its length: two descriptors are equal where these octets are.
    octets: SmallVec<[u8; 96]>,
    /// As how many requests it counts.
    pub hits: Hits,
    /// The limit says so: it has a `hits_addend`.
    pub counted: bool,
    /// Whether the response tells of its bucket; `None` is as the filter says.
    pub headers: Option<bool>,
}

/// As how many requests a request counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Hits {
    Taken(u64),
    GivenBack(u64),
}

impl Default for Hits {
    fn default() -> Hits {
        Hits::Taken(1)
    }
}

impl Descriptor {
    /// One more entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        for text in [key, value] {
            // No header and no configured text comes near what 32 bits can say.
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            self.octets.extend_from_slice(&length.to_le_bytes());
            self.octets.extend_from_slice(text);
        }
    }

    /// What it is looked up by.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Its keys and values.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.octets[..];
        std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
    }
}

fn text<'o>(rest: &mut &'o [u8]) -> Option<&'o [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(text)
}
