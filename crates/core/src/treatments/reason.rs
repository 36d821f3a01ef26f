use crate::reasons::reasons;

reasons! {
    #![doc = "Why something is, or is not, treated. Numbers and names are an interface: they are never reused."]

    FirstLook = 1, "first_look", "seen for too short a time: counters have to be seen twice, and a minute of pressure";
    NoPressure = 2, "no_pressure", "pressure on memory is not measured on this host: no moment is known to be calm";
    NotCalm = 3, "not_calm", "tasks stall on memory: it waits for a minute with less than 1 % of that";
    UnderWay = 4, "under_way", "one compaction or reclaim at a time: one is under way";
    TooSoon = 5, "too_soon", "the last time is less than ten minutes ago, or longer where it gained nothing";
    NotFragmented = 6, "not_fragmented", "no task had to compact memory itself, or what is free is in huge pieces, or little is free";
    Fragmented = 7, "fragmented", "tasks had to compact memory themselves, and what is free is in small pieces: it is compacted now";
    FewDying = 8, "few_dying", "few removed cgroups still own pages";
    NoSubtree = 9, "no_subtree", "no subtree that holds removed cgroups may be asked for memory as a whole";
    MinuteSpent = 10, "minute_spent", "as much was asked for in this minute as is allowed";
    Dying = 11, "dying", "removed cgroups own pages: a step of page cache is reclaimed where they are";
    NoProgress = 12, "no_progress", "what was reclaimed released none of them: it rests, longer each time";
    Merging = 13, "merging", "KSM runs, and its advisor says how fast";
    NoProfit = 14, "no_profit", "what KSM merged is less than its records take: it has its own settings again until `treatments` is changed or lowtide restarted";
    FaultsDoNotCompact = 15, "faults_do_not_compact", "page faults do not compact memory here: `enabled` or `defrag` is not `always`";
    FewStalls = 16, "few_stalls", "tasks had to compact memory themselves less than once a second in the last minute";
    Stalls = 17, "stalls", "tasks had to compact memory themselves once a second: page faults leave that to kcompactd from now on";
    Held = 18, "held", "page faults leave compaction to kcompactd";
    NoEffect = 19, "no_effect", "tasks had to compact memory no less often afterwards: it is as it was until `treatments` is changed or lowtide restarted";
    Foreign = 20, "foreign", "somebody else has set it: it is left to them until `treatments` is changed or lowtide restarted";
    Failed = 21, "failed", "it cannot be read, recorded or set: `lowtide status` has the error";
    CompressedFirst = 22, "compressed_first", "the swap that is used first is compressed memory: a swap-in reads the one page that is wanted";
    NoCompressedFirst = 23, "no_compressed_first", "the swap that is used first is no compressed memory, or there is none: a swap-in reads as many pages as it was found with";
}
