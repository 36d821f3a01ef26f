use std::time::{Duration, Instant};

use lowtide_core::{Bytes, Effect, Memory, Ratio};
use lowtide_kernfs::{Errno, Files, thread_cpu};

use crate::{Cgroup, Error, Result};

const FILE: &str = "memory.reclaim";

/// The most that is asked of the kernel in one write.
///
/// Whoever removes the cgroup waits for the writer and holds the lock that every mkdir and rmdir of a cgroup
/// on the host needs: 6.5 s (6.12) and 12.8 s (6.1) were seen with one large write. Fixed between 7.0 and
/// 7.3.
pub const CHUNK: Bytes = Bytes::mib(32);

/// The first write of a request; those after it grow and shrink with the time that they take.
const FIRST: Bytes = Bytes::mib(4);
/// However slow the swap device, a write asks for so much.
const LEAST: Bytes = Bytes::kib(512);
/// A write should not take longer: it cannot be stopped. 32 MiB to a slow disk that the tenant was swapping
/// in from took 1.3 s on 6.1.
const LONG: Duration = Duration::from_millis(100);

const PAGE: u64 = Bytes::pages(1).get();

/// What is asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How much is to leave DRAM; rounded down to whole pages.
    pub amount: Bytes,
    /// 0 takes page cache alone, 200 prefers anonymous memory; without one, the host's vm.swappiness. 6.12
    /// and later.
    pub swappiness: Option<u8>,
}

impl Cgroup {
    /// Writes `memory.reclaim` in chunks of at most [`CHUNK`], smaller where the kernel is slow, and says
    /// what came of it. Blocks: call it on a thread of its own.
    ///
    /// `keep_going` is asked before every chunk; `false` ends the request ([`Effect::stopped`]), and so does
    /// a cgroup whose last process has gone, since who removes it would wait for the next chunk. EAGAIN, the
    /// kernel's "less than asked", ends it as [`Effect::partial`]; a cgroup that is gone as
    /// [`Effect::vanished`].
    ///
    /// What was freed is measured from memory.current and the swap counters before and after: the kernel does
    /// not say how far it came, and what it counts as reclaimed includes pages that were only demoted to
    /// another node.
    pub fn reclaim(&self, request: Request, keep_going: &mut dyn FnMut() -> bool) -> Result<Effect> {
        let before = match self.usage() {
            Err(error) if error.is_gone() => return Ok(vanished(Effect::default())),
            other => other?,
        };
        let (cpu, wall) = (thread_cpu()?, Instant::now());
        let mut effect = self.write_chunks(request, keep_going)?;
        effect.wall = wall.elapsed();
        effect.cpu = thread_cpu()?.saturating_sub(cpu);
        if effect.vanished || effect.requested.is_zero() {
            return Ok(effect);
        }
        match self.usage() {
            Ok(after) => Ok(measured(effect, &before, &after)),
            Err(error) if error.is_gone() => Ok(vanished(effect)),
            Err(error) => Err(error),
        }
    }

    /// Whether `memory.reclaim` takes `swappiness=` (from 6.12 on). **Writes** to the kernel: not in observe
    /// mode.
    ///
    /// The write asks for zero bytes. Kernels that know the key parse all of it and then reclaim `while
    /// (nr_reclaimed < nr_to_reclaim)`, that is not at all (`memory_reclaim` in mm/memcontrol.c up to 6.16,
    /// `user_proactive_reclaim` in mm/vmscan.c from 6.17). Those that do not know it answer EINVAL before
    /// they reclaim: up to 6.8 `page_counter_memparse` wants the string to end after the number.
    pub fn takes_swappiness(&self) -> Result<bool> {
        match self.dir().write(FILE, "0 swappiness=60") {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(false),
            Err(error) if error.is_missing() => Err(self.no_reclaim_file(error)),
            Err(error) => Err(error.into()),
        }
    }

    fn write_chunks(&self, request: Request, keep_going: &mut dyn FnMut() -> bool) -> Result<Effect> {
        let mut effect = Effect::default();
        let mut size = FIRST;
        let mut left = Bytes::new(request.amount.get() / PAGE * PAGE);
        // Never a write of no bytes at all, and never of an empty line: up to 6.8 that means "reclaim
        // everything".
        while !left.is_zero() {
            let chunk = left.min(size);
            if !keep_going() {
                effect.stopped = true;
                break;
            }
            match self.populated()? {
                Some(true) => {}
                Some(false) => {
                    effect.stopped = true;
                    break;
                }
                None => return Ok(vanished(effect)),
            }
            let begin = Instant::now();
            match self.write_chunk(chunk, request.swappiness)? {
                Answer::Done => {}
                Answer::LessThanAsked => effect.partial = true,
                Answer::Vanished => return Ok(vanished(effect)),
            }
            size = next_size(size, begin.elapsed());
            effect.requested += chunk;
            if effect.partial {
                break;
            }
            left = left - chunk;
        }
        Ok(effect)
    }

    fn write_chunk(&self, chunk: Bytes, swappiness: Option<u8>) -> Result<Answer> {
        let chunk = chunk.get();
        let line = swappiness.map_or_else(|| chunk.to_string(), |s| format!("{chunk} swappiness={s}"));
        match self.dir().write(FILE, line) {
            Ok(()) => Ok(Answer::Done),
            Err(error) => self.understand(error, swappiness),
        }
    }

    /// What the kernel means by an error of writing `memory.reclaim`.
    fn understand(&self, error: lowtide_kernfs::Error, swappiness: Option<u8>) -> Result<Answer> {
        match (error.errno(), swappiness) {
            (Some(Errno::EAGAIN), _) => Ok(Answer::LessThanAsked),
            // A signal ended the chunk part of the way: go on with the next one if the caller still wants to.
            // 7.3 says ERESTARTSYS (512), which has no name outside the kernel, where 6.1 to 7.0 say EINTR.
            (Some(Errno::EINTR | Errno::UnknownErrno), _) => Ok(Answer::Done),
            (Some(Errno::EINVAL), Some(swappiness)) => {
                Err(Error::SwappinessUnsupported { path: self.dir().path().into(), swappiness })
            }
            (Some(Errno::ENOENT), _) if self.exists()? => Err(self.no_reclaim_file(error)),
            (Some(Errno::ENOENT | Errno::ENODEV), _) => Ok(Answer::Vanished),
            _ => Err(error.into()),
        }
    }

    fn no_reclaim_file(&self, missing: lowtide_kernfs::Error) -> Error {
        match self.dir().exists("memory.stat") {
            Ok(true) => Error::NoReclaim { path: self.dir().path().into() },
            _ => self.no_memory_file(missing),
        }
    }
}

/// How much the next write asks for, after one of `size` took so long.
fn next_size(size: Bytes, took: Duration) -> Bytes {
    if took > LONG {
        size.scale(Ratio::new(0.5)).max(LEAST)
    } else if took < LONG / 4 {
        size.scale(Ratio::new(2.0)).min(CHUNK)
    } else {
        size
    }
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done,
    LessThanAsked,
    Vanished,
}

fn vanished(mut effect: Effect) -> Effect {
    effect.vanished = true;
    effect
}

fn measured(mut effect: Effect, before: &Memory, after: &Memory) -> Effect {
    effect.freed = before.current - after.current;
    effect.offloaded = after.offloaded() - before.offloaded();
    effect
}

#[cfg(test)]
#[path = "reclaim_tests.rs"]
mod tests;
