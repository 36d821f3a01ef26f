//! How much is answered in a second, whoever asks.
//!
//! Sending goes on the loop's thread. 16 clients that asked again at once took more than half of its
//! processor at 2306 cgroups (scenario `chaos`, 6.12).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit},
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
pub(super) struct Pace(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    /// For each of those who wait or have their turn.
    places: Semaphore,
    balance: Mutex<Balance>,
}

#[derive(Debug)]
struct Balance {
    /// Bytes that may be sent at once; below zero, none until that much more time has gone.
    bytes: i64,
    at: Instant,
}

/// Who may be answered now. The next one waits for it.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    balance: MutexGuard<'a, Balance>,
    _place: SemaphorePermit<'a>,
}

impl Pace {
    /// One in which so many may wait.
    pub(super) fn new(places: usize) -> Self {
        let balance = Mutex::new(Balance { bytes: BURST, at: Instant::now() });
        Self(Arc::new(Queue { places: Semaphore::new(places), balance }))
    }

    /// Waits for those who asked before, and until as much as was sent may be sent again. `None` at once if
    /// too many wait already.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let place = self.0.places.try_acquire().ok()?;
        let mut balance = self.0.balance.lock().await;
        balance.refill();
        if balance.bytes < 0 {
            sleep(balance.until_even()).await;
            balance.refill();
        }
        Some(Turn { balance, _place: place })
    }
}

impl Turn<'_> {
    /// So many bytes are sent.
    pub(super) fn costs(mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.balance.bytes = self.balance.bytes.saturating_sub(bytes.max(LEAST));
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

    async fn turn(pace: &Pace) -> Turn<'_> {
        pace.turn().await.unwrap()
    }

    /// Sixteen that ask again and again, until they are dropped.
    fn greedy(pace: &Pace) -> Vec<tokio::task::AbortHandle> {
        let client = || {
            let pace = pace.clone();
            tokio::spawn(async move {
                loop {
                    turn(&pace).await.costs(PAGE);
                }
            })
        };
        (0..16).map(|_| client().abort_handle()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn greedy_clients_get_no_more_together_than_one() {
        let pace = Pace::new(64);
        let begun = Instant::now();
        let mut pages = 0;
        while begun.elapsed() < Duration::from_secs(10) {
            turn(&pace).await.costs(PAGE);
            pages += 1;
        }
        let most = (u64::try_from(BURST).unwrap() + 10 * u64::from(RATE)) / PAGE;
        assert!((most..=most + 2).contains(&pages), "{pages} pages, {most} allowed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_waits_for_those_before_it_and_no_longer() {
        let pace = Pace::new(64);
        let clients = greedy(&pace);
        sleep(Duration::from_mins(1)).await;
        let asked = Instant::now();
        turn(&pace).await.costs(PAGE);
        let before = Duration::from_millis(17 * 1000 * PAGE / u64::from(RATE));
        assert!(asked.elapsed() <= before + Duration::from_millis(1), "{:?}", asked.elapsed());
        assert!(asked.elapsed() > before / 2, "it came after them: {:?}", asked.elapsed());
        clients.iter().for_each(tokio::task::AbortHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn small_answers_cost_their_connection_and_rest_earns_no_more_than_a_burst() {
        let pace = Pace::new(64);
        sleep(Duration::from_hours(1)).await;
        let begun = Instant::now();
        for _ in 0..=BURST / LEAST {
            turn(&pace).await.costs(3);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        turn(&pace).await.costs(3);
        assert!(!begun.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_is_told_at_once_and_places_come_back() {
        let pace = Pace::new(16);
        let clients = greedy(&pace);
        sleep(Duration::from_mins(1)).await;
        let asked = Instant::now();
        assert!(pace.turn().await.is_none());
        assert_eq!(asked.elapsed(), Duration::ZERO);
        clients.iter().for_each(tokio::task::AbortHandle::abort);
        tokio::task::yield_now().await;
        assert!(pace.turn().await.is_some(), "those who left hold no place");
    }
}
