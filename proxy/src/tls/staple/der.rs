//! DER, read from the front. Called by OCSP's reader; what is cut off or too long is nothing.

/// What is left to be read.
#[derive(Clone, Copy)]
pub(super) struct Der<'d>(pub &'d [u8]);

impl<'d> Der<'d> {
    /// The next value: its tag, and what is in it.
    pub fn next(&mut self) -> Option<(u8, Der<'d>)> {
        let (&tag, rest) = self.0.split_first()?;
        // Tags of several octets are none of these formats.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let octets = usize::from(first & 0x7f);
            if octets == 0 || octets > 4 || rest.len() < octets {
                return None;
            }
            length = rest[..octets].iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
            rest = &rest[octets..];
        }
        let content = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((tag, Der(content)))
    }

    /// The next value, which must have this tag.
    pub fn take(&mut self, tag: u8) -> Option<Der<'d>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value, if it has this tag; otherwise it stays.
    pub fn maybe(&mut self, tag: u8) -> Option<Der<'d>> {
        let mut ahead = *self;
        let content = ahead.take(tag)?;
        *self = ahead;
        Some(content)
    }
}
