//! What a daemon that runs here has found out, by writes that the doctor does not make.

/// Its answer. The doctor does not ask: whoever calls [`examine`](crate::examine) does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The socket at which it answered.
    pub socket: String,
    /// `memory.reclaim` takes `swappiness=`; false also as long as that was not tried.
    pub takes_swappiness: bool,
    /// Its source of idle ages; `None` for pressure alone.
    pub source: Option<String>,
    /// Why this one.
    pub why: String,
    /// MGLRU's walks notice the first touch of a page after its fault; `None` as long as that was not tried.
    pub notices_first_touch: Option<bool>,
}

impl Running {
    /// It has tried MGLRU, and its ages mislead here.
    pub(crate) fn found_mglru_misleading(&self) -> bool {
        self.notices_first_touch == Some(false)
    }
}
