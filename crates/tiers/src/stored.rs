use lowtide_core::{LeftOut, Stored};
use lowtide_kernfs::{Result, Root};

use crate::{Zram, swaps};

/// What all zram devices that are swapped on hold, added up; one that goes away meanwhile is left out, and so
/// is one that cannot be read, which [`read`](crate::read) tells.
pub fn stored(root: &Root) -> Result<Stored> {
    let mut sum = Stored::default();
    for device in swaps(root, &mut LeftOut::default())? {
        let Some(name) = device.zram() else { continue };
        sum = sum + Zram::read(root, name).ok().flatten().map(of).unwrap_or_default();
    }
    Ok(sum)
}

fn of(zram: Zram) -> Stored {
    Stored {
        original: zram.original,
        compressed: zram.compressed,
        incompressible: zram.incompressible.unwrap_or_default(),
        sunk: zram.backing_written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowtide_core::Bytes;
    use std::fs;

    #[test]
    fn every_zram_device_in_use_counts() {
        let tree = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "proc/swaps",
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
             /dev/zram0                              partition\t1020\t\t16\t\t100\n\
             /dev/zram1                              partition\t1020\t\t8\t\t90\n\
             /dev/zram2                              partition\t1020\t\t8\t\t80\n\
             /dev/vdb                                partition\t1020\t\t0\t\t-2\n",
        );
        for (index, mm_stat) in
            [(0, "16384 5000 8192 0 8192 0 0 1 1\n"), (1, "8192 3000 4096 0 4096 0 0 0 0\n")]
        {
            put(&format!("sys/block/zram{index}/initstate"), "1\n");
            put(&format!("sys/block/zram{index}/disksize"), "1044480\n");
            put(&format!("sys/block/zram{index}/mm_stat"), mm_stat);
        }
        put("sys/block/zram0/bd_stat", "2 0 3\n");
        let expected = Stored {
            original: Bytes::kib(24),
            compressed: Bytes::new(8000),
            incompressible: Bytes::kib(4),
            sunk: Bytes::kib(12),
        };
        assert_eq!(stored(&Root::open(tree.path()).unwrap()).unwrap(), expected);
    }
}
