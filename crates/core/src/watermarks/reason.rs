use crate::reasons::reasons;

reasons! {
    #![doc = "Why the watermarks were, or were not, moved. Numbers and names are an interface: they are never reused."]

    FirstLook = 1, "first_look", "seen for the first time: what happens is known from the next look on";
    Enough = 2, "enough", "no task reclaims for itself, and the factor is what the host was found with";
    DirectReclaim = 3, "direct_reclaim", "tasks reclaimed for themselves since kswapd last slept: it begins earlier from now on";
    Predicted = 4, "predicted", "free memory falls to the low watermark, and faster than kswapd was seen to reclaim: it begins earlier from now on";
    Limit = 5, "limit", "the factor is above what max_scale_factor and available_loss allow by now";
    AtLimit = 6, "at_limit", "it would be raised, and is at what max_scale_factor and available_loss allow";
    NothingReclaimable = 7, "nothing_reclaimable", "it would be raised, and there is too little page cache and slab that kswapd could take";
    KswapdFailing = 8, "kswapd_failing", "kswapd looks for pages and gets none: to begin earlier would not help";
    Protected = 9, "protected", "the last direct reclaim or step is less than the protection time ago";
    KswapdBusy = 10, "kswapd_busy", "no task reclaims for itself, and kswapd has a lot to do: it still needs its head start";
    Calm = 11, "calm", "no task reclaimed for itself for the protection time, and kswapd had little to do: it begins later from now on";
    Foreign = 12, "foreign", "somebody else has set the factor: it is left to them until `watermarks` is changed or lowtide restarted";
    Failed = 13, "failed", "the factor cannot be read, recorded or set: `lowtide status` has the error";
}
