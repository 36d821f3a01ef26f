//! The part of systemd that waits for a service's signs of life.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A socket that a daemon reports to, and who listens at it.
#[derive(Debug)]
pub struct Watchdog {
    socket: PathBuf,
    limit: Duration,
    heard: Arc<Mutex<Vec<Instant>>>,
}

impl Watchdog {
    /// Wants a sign of life within `limit`, as `WatchdogSec=` does.
    pub fn new(name: &str, limit: Duration) -> Result<Self> {
        let socket = Path::new(crate::spec::STAGE).join(format!("notify-{name}"));
        // Of an earlier one by that name.
        let _ = fs::remove_file(&socket);
        let listener =
            UnixDatagram::bind(&socket).with_context(|| format!("cannot listen at {}", socket.display()))?;
        let heard = Arc::default();
        let watchdog = Self { socket, limit, heard: Arc::clone(&heard) };
        thread::spawn(move || listen(&listener, &heard));
        Ok(watchdog)
    }

    /// Tells a service where it is, as systemd does.
    pub fn tell(&self, service: &mut Command) {
        service.env("NOTIFY_SOCKET", &self.socket).env("WATCHDOG_USEC", self.limit.as_micros().to_string());
    }

    /// The longest time between two signs of life, the service's readiness and its end among them.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }
}

fn listen(listener: &UnixDatagram, heard: &Mutex<Vec<Instant>>) {
    let mut message = [0; 4096];
    while let Ok(length) = listener.recv(&mut message) {
        let text = String::from_utf8_lossy(&message[..length]);
        let is_sign = |line: &str| ["WATCHDOG=1", "READY=1", "STOPPING=1"].contains(&line);
        if text.lines().any(is_sign) {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
    }
}
