//! How much is answered in a second, whoever asks.
//!
//! Sending goes on the loop's thread. 16 clients that asked again at once took more than half of its processor at 2306 cgroups (scenario
//! `chaos`, 6.12).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};

/// Bytes a second, of which a processor sends a few hundred times as many.
const RATE: u32 = 16 << 20;
/// What is sent at once after a time of rest: many scrapers may ask in the same moment.
const BURST: i64 = 64 << 20;
/// What an answer costs at least, in bytes: a connection for it is opened, read and closed.
const LEAST: i64 = 64 << 10;

/// Answers in the order in which they were asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Mutex<Balance>>);

#[derive(Debug)]
struct Balance {
    /// Bytes that may be sent at once; below zero, none until that much more time has gone.
    bytes: i64,
    at: Instant,
}

/// Who may be answered now. The next one waits for it.
#[derive(Debug)]
pub(super) struct Turn<'a>(MutexGuard<'a, Balance>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Balance { bytes: BURST, at: Instant::now() })))
    }
}

impl Pace {
    /// Waits for those who asked before, and until as much as was sent may be sent again.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let mut balance = self.0.lock().await;
        balance.refill();
        if balance.bytes < 0 {
            sleep(balance.until_even()).await;
            balance.refill();
        }
        Turn(balance)
    }
}

impl Turn<'_> {
    /// So many bytes are sent.
    pub(super) fn costs(mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.bytes = self.0.bytes.saturating_sub(bytes.max(LEAST));
    }
}

impl Balance {
    fn refill(&mut self) {
        let now = Instant::now();
        let micros = now.saturating_duration_since(self.at).as_micros();
        let earned = micros.saturating_mul(RATE.into()) / 1_000_000;
        self.bytes = self.bytes.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).min(BURST);
        self.at = now;
    }

    fn until_even(&self) -> Duration {
        let lacking = self.bytes.min(0).unsigned_abs();
        // A microsecond more, as it was rounded down.
        Duration::from_micros(lacking.saturating_mul(1_000_000) / u64::from(RATE) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 2 << 20;

    /// Sixteen that ask again and again, until they are dropped.
    fn greedy(pace: &Pace) -> Vec<tokio::task::AbortHandle> {
        let client = || {
            let pace = pace.clone();
            tokio::spawn(async move {
                loop {
                    pace.turn().await.costs(PAGE);
                }
            })
        };
        (0..16).map(|_| client().abort_handle()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn greedy_clients_get_no_more_together_than_one() {
        let pace = Pace::default();
        let begun = Instant::now();
        let mut pages = 0;
        while begun.elapsed() < Duration::from_secs(10) {
            pace.turn().await.costs(PAGE);
            pages += 1;
        }
        let most = (u64::try_from(BURST).unwrap() + 10 * u64::from(RATE)) / PAGE;
        assert!((most..=most + 2).contains(&pages), "{pages} pages, {most} allowed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_waits_for_those_before_it_and_no_longer() {
        let pace = Pace::default();
        let clients = greedy(&pace);
        sleep(Duration::from_mins(1)).await;
        let asked = Instant::now();
        pace.turn().await.costs(PAGE);
        let before = Duration::from_millis(17 * 1000 * PAGE / u64::from(RATE));
        assert!(asked.elapsed() <= before + Duration::from_millis(1), "{:?}", asked.elapsed());
        assert!(asked.elapsed() > before / 2, "it came after them: {:?}", asked.elapsed());
        clients.iter().for_each(tokio::task::AbortHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn small_answers_cost_their_connection_and_rest_earns_no_more_than_a_burst() {
        let pace = Pace::default();
        sleep(Duration::from_hours(1)).await;
        let begun = Instant::now();
        for _ in 0..=BURST / LEAST {
            pace.turn().await.costs(3);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        pace.turn().await.costs(3);
        assert!(!begun.elapsed().is_zero());
    }
}
