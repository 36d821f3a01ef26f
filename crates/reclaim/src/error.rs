//! What can go wrong with a request.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cgroup's files.
    #[error(transparent)]
    Cgroup(#[from] lowtide_cgroup::Error),
    /// The generations of the multi-generational LRU.
    #[error(transparent)]
    Mglru(#[from] lowtide_mglru::Error),
    /// Another file of the kernel, or the thread itself.
    #[error(transparent)]
    File(#[from] lowtide_kernfs::Error),
}
