//! Whose a container's cgroup is on a Kubernetes node: namespace, pod and container.
//!
//! ```text
//! cgroup path ──place──► container ID ──state──► config.json ──config──► Pod
//!                                      directories               names, annotation; is it this cgroup's?
//! ```
//!
//! Only files are read. Kubelet, the API server and the runtime's socket are never asked: a daemon of root
//! that talks to the sockets of root is a way to become root. The runtime leaves the OCI runtime spec of each
//! container in a directory that belongs to root, as long as the container exists.
//!
//! Such a file also holds the environment of the container's processes, with secrets in it. Of all it holds,
//! this crate keeps the names of [`Pod`] and one annotation, and no error shows a part of the rest.

mod config;
mod error;
mod place;
mod pod;
mod slices;
mod state;

pub use config::{Runtime, parse};
pub use error::{Broken, Error, Fault};
pub use place::{Container, Place};
pub use pod::{ANNOTATION, Pod, Wanted};
pub use state::{LIMIT, find};
