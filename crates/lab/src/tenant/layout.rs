//! Which page belongs to which part.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Sizes of the parts, in pages, and how far they have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    hot: usize,
    warm: usize,
    scan: usize,
    cold: usize,
    shift: usize,
}

/// A part of the tenant's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Worked on all the time.
    Hot,
    /// Swept now and then.
    Warm,
    /// Swept at constant speed, round and round.
    Scan,
    /// Never touched.
    Cold,
}

impl Layout {
    /// Parts of so many pages each, nothing scanned.
    #[must_use]
    pub fn new(hot: usize, warm: usize, cold: usize) -> Self {
        Self { hot, warm, scan: 0, cold, shift: 0 }
    }

    /// So many pages between the warm and the cold part are scanned.
    #[must_use]
    pub fn with_scan(mut self, scan: usize) -> Self {
        self.scan = scan;
        self
    }

    /// Pages of all parts.
    #[must_use]
    pub fn total(&self) -> usize {
        self.cold_start() + self.cold
    }

    /// Pages of one part.
    #[must_use]
    pub fn pages(&self, part: Part) -> usize {
        self.range(part).len()
    }

    /// The real page of the `index`th page of a part.
    #[must_use]
    pub fn page(&self, part: Part, index: usize) -> usize {
        (self.range(part).start + index + self.shift) % self.total()
    }

    /// Where the cold part starts when nothing has moved: the boundary between two mappings.
    #[must_use]
    pub fn cold_start(&self) -> usize {
        self.hot + self.warm + self.scan
    }

    /// Moves all parts along by the size of the hot one: the hot part becomes cold, the next pages hot.
    pub fn move_along(&mut self) {
        if self.total() > 0 {
            self.shift = (self.shift + self.hot) % self.total();
        }
    }

    fn range(&self, part: Part) -> Range<usize> {
        match part {
            Part::Hot => 0..self.hot,
            Part::Warm => self.hot..self.hot + self.warm,
            Part::Scan => self.hot + self.warm..self.cold_start(),
            Part::Cold => self.cold_start()..self.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other() {
        let layout = Layout::new(4, 3, 5);
        assert_eq!(layout.total(), 12);
        assert_eq!(layout.page(Part::Hot, 0), 0);
        assert_eq!(layout.page(Part::Warm, 0), 4);
        assert_eq!(layout.page(Part::Cold, 4), 11);
    }

    #[test]
    fn the_scanned_part_lies_between_warm_and_cold() {
        let layout = Layout::new(4, 3, 5).with_scan(2);
        assert_eq!(layout.total(), 14);
        assert_eq!((layout.pages(Part::Warm), layout.pages(Part::Scan)), (3, 2));
        assert_eq!((layout.page(Part::Scan, 0), layout.page(Part::Cold, 0)), (7, 9));
    }

    #[test]
    fn moving_along_wraps_round() {
        let mut layout = Layout::new(4, 3, 5);
        layout.move_along();
        assert_eq!(layout.page(Part::Hot, 0), 4);
        assert_eq!(layout.page(Part::Cold, 4), 3);
        layout.move_along();
        layout.move_along();
        assert_eq!(layout.page(Part::Hot, 0), 0);
    }
}
