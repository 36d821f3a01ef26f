//! What an operator may choose.

use crate::size;
use crate::work::agents::Agents;
use crate::work::sizes::Sizes;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The command line of a run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// This host may be changed: cgroups, a zram device and swap on it are made, and taken away at the end.
    #[arg(long)]
    pub this_host_may_be_changed: bool,
    /// A directory on a disk, in which one is made for the servers' files and removed at the end.
    #[arg(long, default_value = "/var/tmp")]
    pub work: PathBuf,
    /// How large the data sets of each group are.
    #[arg(long, value_enum, default_value = "small")]
    pub size: Scale,
    /// Seconds under load.
    #[arg(long, default_value_t = 300)]
    pub seconds: u64,
    /// Which groups run side by side; the first is what the others are compared with.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "nobody,senpai,oomd,lowtide")]
    pub groups: Vec<Agents>,
    /// Uncompressed bytes that the zram device has room for; what fits all groups if it is not given.
    #[arg(long, value_parser = size::parse)]
    pub zram: Option<u64>,
    /// The first of the ports on 127.0.0.1 that servers listen on, two for each group.
    #[arg(long, default_value_t = 21_400)]
    pub port: u16,
    /// Where the results go as JSON.
    #[arg(long, default_value = "lowtide-bench.json")]
    pub json: PathBuf,
}

/// How large the data sets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scale {
    /// For a machine of the lab: about 60 MiB a group.
    Tiny,
    /// As the lab's `real_work`: about 250 MiB a group.
    Small,
    /// About 3 GiB a group.
    Large,
}

/// The data sets and the load of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Of redis and nginx.
    pub sizes: Sizes,
    /// Rows of PostgreSQL's table, of about 1 KiB.
    pub rows: u64,
    /// Statements a second.
    pub rate: u32,
    /// Functions of the source that is compiled.
    pub functions: u32,
    /// Milliseconds from one compile to the next.
    pub compile_period: u64,
}

impl Scale {
    /// What it stands for.
    #[must_use]
    pub fn work(self) -> Work {
        let small =
            Work { sizes: Sizes::LAB, rows: 60_000, rate: 200, functions: 3000, compile_period: 2000 };
        match self {
            Self::Tiny => Work {
                sizes: Sizes { keys: 5000, files: 400, ..Sizes::LAB },
                rows: 8000,
                rate: 50,
                functions: 300,
                compile_period: 5000,
            },
            Self::Small => small,
            Self::Large => Work {
                sizes: Sizes {
                    keys: 400_000,
                    files: 16_000,
                    file: 64 * 1024,
                    requests: 20,
                    period: 8,
                    ..Sizes::LAB
                },
                rows: 600_000,
                rate: 1500,
                functions: 30_000,
                compile_period: 2000,
            },
        }
    }
}

impl Work {
    /// Bytes of DRAM that a group takes at most, programs and what PostgreSQL has twice included.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let keys = (self.sizes.keys * self.sizes.value * 3 / 2) as u64;
        keys + self.sizes.file_bytes() + self.table() * 2 + self.shared_buffers() + (128 << 20)
    }

    /// PostgreSQL's own cache: a quarter of its table.
    #[must_use]
    pub fn shared_buffers(&self) -> u64 {
        self.table() / 4
    }

    fn table(&self) -> u64 {
        self.rows * 1200
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn by_default_every_agent_has_a_group_and_no_host_may_be_changed() {
        let options = Line::parse_from(["run"]).options;
        assert_eq!(options.groups, [Agents::Nobody, Agents::Senpai, Agents::Oomd, Agents::Lowtide]);
        assert!(!options.this_host_may_be_changed);
    }

    #[test]
    fn sizes_rise() {
        let [tiny, small, large] =
            [Scale::Tiny, Scale::Small, Scale::Large].map(|scale| scale.work().memory());
        assert!(tiny < small && small < large && large < 5 << 30, "{tiny} {small} {large}");
    }
}
