//! How large the data sets are, and how often they are asked for.

use crate::random::{Random, scramble};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// In which order keys are set and files are read before the load begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// One that has nothing to do with how popular they are: hot and cold keys share pages.
    Shuffled,
    /// The most popular first: keys that share a page are about as popular.
    Popularity,
}

/// The data sets of both servers, and the load on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Sizes {
    /// Keys of redis.
    #[arg(long, default_value_t = Self::LAB.keys)]
    pub keys: usize,
    /// Bytes of a key's value.
    #[arg(long, default_value_t = Self::LAB.value)]
    pub value: usize,
    /// Files of nginx.
    #[arg(long, default_value_t = Self::LAB.files)]
    pub files: usize,
    /// Bytes of a file.
    #[arg(long, default_value_t = Self::LAB.file)]
    pub file: usize,
    /// Requests to each server in each period.
    #[arg(long, default_value_t = Self::LAB.requests)]
    pub requests: u32,
    /// Milliseconds from one burst of requests to the next.
    #[arg(long, default_value_t = Self::LAB.period)]
    pub period: u32,
    /// Both servers are asked for the same things again with the same seed.
    #[arg(long, default_value_t = Self::LAB.seed)]
    pub seed: u64,
    /// In which order keys are set and files are read before the load begins.
    #[arg(long, value_enum, default_value_t = Self::LAB.order)]
    pub order: Order,
}

impl Sizes {
    /// What an emulated machine can do in minutes: redis has about 82 MiB in DRAM, nginx about 71.
    pub const LAB: Self = Self {
        keys: 30_000,
        value: 2048,
        files: 2000,
        file: 32 * 1024,
        requests: 8,
        period: 50,
        seed: 9,
        order: Order::Shuffled,
    };

    /// Bytes of all files.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        (self.files * self.file) as u64
    }

    /// Time from one burst of requests to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period.into())
    }

    /// The same settings as arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let named = [
            ("--keys", self.keys.to_string()),
            ("--value", self.value.to_string()),
            ("--files", self.files.to_string()),
            ("--file", self.file.to_string()),
            ("--requests", self.requests.to_string()),
            ("--period", self.period.to_string()),
            ("--seed", self.seed.to_string()),
            ("--order", self.order.name().to_owned()),
        ];
        named.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

impl Order {
    /// As it stands on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Popularity => "popularity",
        }
    }

    /// The numbers below `count` in this order, the same one for each seed.
    #[must_use]
    pub fn of(self, count: usize, seed: u64) -> Vec<usize> {
        match self {
            Self::Shuffled => shuffled(count, seed),
            Self::Popularity => (0..count).collect(),
        }
    }
}

fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = Random::new(scramble(seed));
    for last in (1..count).rev() {
        let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(last);
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        sizes: Sizes,
    }

    #[test]
    fn sizes_survive_the_command_line() {
        let sizes = Sizes {
            keys: 3,
            value: 4,
            files: 5,
            file: 6,
            requests: 7,
            period: 8,
            seed: 10,
            order: Order::Popularity,
        };
        let line = std::iter::once("load".to_owned()).chain(sizes.arguments());
        assert_eq!(Line::parse_from(line).sizes, sizes);
        assert_eq!(Line::parse_from(["load"]).sizes, Sizes::LAB);
    }

    #[test]
    fn a_shuffle_has_each_number_once() {
        let order = shuffled(1000, 1);
        let in_place = order.iter().enumerate().filter(|(place, number)| place == *number).count();
        assert!(in_place < 20, "{in_place} numbers are where they were");
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_eq!(order, shuffled(1000, 1));
        assert_ne!(order, shuffled(1000, 2));
    }
}
