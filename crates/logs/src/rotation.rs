//! How large a log may become, and when it goes on in another file.

use std::time::Duration;

/// The limits of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Rotation {
    /// A segment of this many bytes or more is followed by the next one.
    pub segment_size: u64,
    /// A segment whose first line is this old is followed by the next one.
    pub segment_age: Duration,
    /// The most bytes that all segments may have on the disk. The oldest go first, the active one never.
    pub total_size: u64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { segment_size: 16 << 20, segment_age: Duration::from_secs(86_400), total_size: 1 << 30 }
    }
}

impl Rotation {
    /// The most segments that a log is cut into: whoever reads it may have to look at each.
    const MOST_SEGMENTS: u64 = 1000;

    /// The size at which a segment is full: a total that is large, or small, beside it has its say.
    pub(crate) fn full_segment(&self) -> u64 {
        let least = (self.total_size / Self::MOST_SEGMENTS).max(1);
        self.segment_size.max(least).min((self.total_size / 2).max(1))
    }
}
