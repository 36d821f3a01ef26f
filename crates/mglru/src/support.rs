use std::{fmt, path::Path};

use lowtide_kernfs::{Errno, Fault, Files, Result, Root};
use nix::fcntl::OFlag;

/// The file of generations and commands.
pub(crate) const LRU_GEN: &str = "sys/kernel/debug/lru_gen";
pub(crate) const ENABLED: &str = "sys/kernel/mm/lru_gen/enabled";
const LOCKDOWN: &str = "sys/kernel/security/lockdown";
const FILESYSTEMS: &str = "proc/filesystems";

/// Which parts of MGLRU are on: the bits of /sys/kernel/mm/lru_gen/enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches(u64);

impl Switches {
    /// Understands the file: `0x0007`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let digits = text.trim_ascii().strip_prefix("0x");
        let bits = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        bits.map(Self).ok_or_else(|| Fault::whole(text, "a hexadecimal number such as `0x0007`"))
    }

    /// Pages are kept in generations.
    #[must_use]
    pub const fn core(self) -> bool {
        self.0 & 0x1 != 0
    }

    /// Walks look into page tables. Also off where the processor does not note accesses by itself.
    #[must_use]
    pub const fn walks(self) -> bool {
        self.0 & 0x2 != 0
    }
}

impl fmt::Display for Switches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Whether idle ages can be had from MGLRU here. Its text is the evidence.
///
/// Without swap too: the kernel leaves anonymous pages out of its own walks then (`get_swappiness` in
/// mm/vmscan.c says zero), but not out of those of [`LruGen::age`](crate::LruGen::age), which says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// They can.
    Available {
        /// What is on.
        switches: Switches,
    },
    /// The kernel was built without MGLRU (CONFIG_LRU_GEN).
    NotBuilt,
    /// Built, and switched off.
    Off {
        /// What is on.
        switches: Switches,
    },
    /// Without its walks: from 6.12 on not even a command makes it look into page tables then
    /// (`should_walk_mmu`, mm/vmscan.c), and every page grows older together.
    NoWalks {
        /// What is on.
        switches: Switches,
    },
    /// The file is not there, though the kernel has debugfs.
    NotMounted,
    /// The kernel was built without debugfs (CONFIG_DEBUG_FS).
    NoDebugfs,
    /// The kernel is locked down, as under Secure Boot: nobody may open files of debugfs that can be written
    /// (`debugfs_locked_down`, fs/debugfs/file.c).
    LockedDown,
    /// The file may not be opened for reading and writing.
    Denied {
        /// The kernel's answer: EACCES to all but root, EROFS where /sys is mounted read-only, EPERM where
        /// the kernel is locked down and securityfs, which would say so, is not mounted.
        errno: Errno,
    },
}

impl Support {
    /// Looks, and changes nothing. Fails only if a file cannot be read or holds something unexpected.
    pub fn probe(root: &Root) -> Result<Self> {
        let Some(switches) = root.parse_record(ENABLED, Switches::parse)? else { return Ok(Self::NotBuilt) };
        if !switches.core() {
            return Ok(Self::Off { switches });
        }
        if !switches.walks() {
            return Ok(Self::NoWalks { switches });
        }
        match root.open(Path::new(LRU_GEN), OFlag::O_RDWR) {
            Ok(_) => Ok(Self::Available { switches }),
            Err(error) => Self::closed(root, &error)?.ok_or(error),
        }
    }

    /// What an error of opening the file means, if it means one of these.
    pub(crate) fn closed(root: &Root, error: &lowtide_kernfs::Error) -> Result<Option<Self>> {
        Ok(match error.errno() {
            Some(Errno::ENOENT) if has_debugfs(root)? => Some(Self::NotMounted),
            Some(Errno::ENOENT) => Some(Self::NoDebugfs),
            Some(Errno::EPERM) if locked_down(root) => Some(Self::LockedDown),
            Some(errno @ (Errno::EACCES | Errno::EPERM | Errno::EROFS)) => Some(Self::Denied { errno }),
            _ => None,
        })
    }

    /// Whether ages can be had.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        matches!(self, Self::Available { .. })
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Available { .. } => None,
            Self::NotBuilt => Some("take a kernel with CONFIG_LRU_GEN=y"),
            Self::Off { .. } => Some("echo y > /sys/kernel/mm/lru_gen/enabled"),
            Self::NoWalks { .. } => {
                Some("echo y > /sys/kernel/mm/lru_gen/enabled, unless the processor notes no accesses")
            }
            Self::NotMounted => Some("mount -t debugfs debugfs /sys/kernel/debug"),
            Self::NoDebugfs => Some("take a kernel with CONFIG_DEBUG_FS=y"),
            Self::LockedDown => Some("boot without lockdown= and without Secure Boot"),
            Self::Denied { errno: Errno::EPERM } => {
                Some("if this is root, boot without lockdown= and without Secure Boot; else run as root")
            }
            Self::Denied { .. } => Some("run as root, where /sys/kernel/debug may be written"),
        }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available { switches } => {
                write!(f, "/{LRU_GEN} can be read and written, /{ENABLED} is {switches}")
            }
            Self::NotBuilt => write!(f, "this kernel has no /{ENABLED}: MGLRU is not built in"),
            Self::Off { switches } => write!(f, "/{ENABLED} is {switches}: MGLRU is off"),
            Self::NoWalks { switches } => {
                write!(f, "/{ENABLED} is {switches}: bit 0x0002 is off, so page tables are not looked into")
            }
            Self::NotMounted => write!(f, "there is no /{LRU_GEN}: debugfs is not mounted"),
            Self::NoDebugfs => write!(f, "/{FILESYSTEMS} has no debugfs: this kernel is built without it"),
            Self::LockedDown => write!(f, "/{LOCKDOWN}: the kernel is locked down, debugfs is closed"),
            Self::Denied { errno } => write!(f, "/{LRU_GEN} cannot be opened: {} ({errno:?})", errno.desc()),
        }
    }
}

fn has_debugfs(root: &Root) -> Result<bool> {
    let text = root.read_optional(FILESYSTEMS)?.unwrap_or_default();
    Ok(text.lines().any(|line| line.split_ascii_whitespace().last() == Some("debugfs")))
}

/// `[none] integrity confidentiality`; an unreadable file says nothing.
fn locked_down(root: &Root) -> bool {
    root.read(LOCKDOWN)
        .is_ok_and(|text| ["[integrity]", "[confidentiality]"].iter().any(|mode| text.contains(mode)))
}

#[cfg(test)]
#[path = "support_tests.rs"]
mod tests;
