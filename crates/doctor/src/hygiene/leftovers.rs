//! What stays behind in the kernel when files and cgroups are gone.

use lowtide_core::Bytes;

use super::{LEAST, MEMINFO, Waste, count, of, total};
use crate::sight::Sight;

/// So many dying cgroups are a leak and no delay: the kernel frees them one by one as their last pages go.
const DYING: u64 = 1000;
/// `struct dentry` on 64 bits (include/linux/dcache.h, beside `DNAME_INLINE_LEN`: "192 bytes").
const DENTRY: u64 = 192;

/// Names that were looked up and are not there. Each is kept until somebody wants its memory, on a host with
/// room for ever.
pub(super) fn negative_dentries(sight: &Sight) -> Option<Waste> {
    let look = sight.look("proc/sys/fs/dentry-state");
    let negative: u64 = look.text()?.split_ascii_whitespace().nth(4)?.parse().ok()?;
    let bytes = Bytes::new(negative.saturating_mul(DENTRY));
    (bytes >= total(sight)?.scale(LEAST)).then(|| Waste {
        name: "negative_dentries",
        bytes: Some(bytes),
        why: format!(
            "{negative} names of files that do not exist are remembered, and each look-up walks past them"
        ),
        remedy: "find who asks for files that are not there (`perf trace -e openat`); in a calm moment \
                 `echo 2 > /proc/sys/vm/drop_caches` frees them, with the inodes that nobody uses",
        evidence: vec![look.evidence()],
    })
}

/// Cgroups that were removed and still own pages. Their counters are kept for each processor, and reclaim
/// walks over them.
pub(super) fn dying_cgroups(sight: &Sight) -> Option<Waste> {
    let look = sight.look(sight.cgroup_file("cgroup.stat"));
    let (dying, living) = (count(&look, "nr_dying_descendants")?, count(&look, "nr_descendants")?);
    let percpu = sight.look(MEMINFO);
    (dying >= DYING && dying > living).then(|| Waste {
        name: "dying_cgroups",
        bytes: None,
        why: format!(
            "{dying} removed cgroups beside {living} living ones keep their counters for each processor, most of Percpu, and reclaim \
             walks over all of them"
        ),
        remedy: "what pins them is mostly page cache of files that others read too: in a calm moment `echo 256M > \
                 /sys/fs/cgroup/memory.reclaim`, again and again, until they are gone",
        evidence: vec![
            look.says(format!("nr_dying_descendants {dying}, nr_descendants {living}")),
            percpu.says(format!("Percpu {}", of(&percpu, "Percpu").unwrap_or_default())),
        ],
    })
}
