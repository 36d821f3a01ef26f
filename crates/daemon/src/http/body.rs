//! The body of an answer: pieces that are there already, and are not put together first.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// The pieces of a page, shared by all who read it.
pub(crate) type Pieces = Arc<[Bytes]>;

/// Pieces on their way to one who asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pieces: Pieces,
    next: usize,
    /// Bytes that are still to go.
    left: u64,
}

impl Answer {
    /// Bytes that are still to go.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl From<Pieces> for Answer {
    fn from(pieces: Pieces) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, next: 0, left }
    }
}

impl From<&'static str> for Answer {
    fn from(text: &'static str) -> Self {
        Pieces::from([Bytes::from_static(text.as_bytes())]).into()
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.get(self.next).cloned();
        self.next += 1;
        self.left = self.left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.pieces.len()
    }

    /// Exact, so that the answer says its length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
