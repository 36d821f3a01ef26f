//! The live view of a host: what its memory, its tiers and its tenants do now.
//!
//! ```text
//! kernel files, control socket → Sample → (with the one before) Model → Buffer → terminal
//! ```
//!
//! [`sample`] is what is looked at; [`model`] what follows from two samples, with the time between them as an
//! argument; [`draw`] how it looks in so many columns; [`screen`] what the keys do. None of these knows a
//! clock, a file or a terminal but [`sample::Kernel`], which reads files. [`shell`] has the rest, and nothing
//! else. A sample that comes from a record instead of a running kernel is drawn the same way.

pub mod draw;
pub mod model;
pub mod sample;
pub mod screen;
pub mod shell;
