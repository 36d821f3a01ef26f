use crate::reasons::reasons;

reasons! {
    #![doc = "Why the balancer did, or did not, move pages. Numbers and names are an interface: they are never reused."]

    BelowWatermark = 1, "below_watermark", "the fill is below the watermark, and it would be drained before it is full";
    Watermark = 2, "watermark", "the fill is at the watermark or above: the coldest pages sink";
    Filling = 3, "filling", "at the rate at which it fills it would be full before it could be drained: the coldest pages sink early";
    Draining = 4, "draining", "the fill is on its way from the watermark to the low mark: the coldest pages sink";
    NothingOld = 5, "nothing_old", "no page that could sink is older than min_age: tried again at every scan";
    NoBacking = 6, "no_backing", "there is no slower device below: give zram a backing device before its disksize is set";
    BackingFull = 7, "backing_full", "the slower device is full";
    WriteBudget = 8, "write_budget", "what may be written to the slower device in 24 h is used up";
    MemoryPressure = 9, "memory_pressure", "tasks stall on memory";
    IoPressure = 10, "io_pressure", "tasks of a tenant stall on I/O more than its SLO allows";
    Trigger = 11, "trigger", "a pressure trigger fired";
    InFlight = 12, "in_flight", "the last run has not ended";
    Marking = 13, "marking", "the kernel keeps no access times: all pages were marked, and those that are still marked after min_age may sink";
    Slots = 14, "slots", "swap slots run out before DRAM: sinking frees no slots, so the device has to be larger";
    Busy = 15, "busy", "somebody else has pages of the device moved or recompressed: tried again at the next scan";
    Failed = 16, "failed", "the kernel refused or the slower device failed: tried again after a pause that doubles up to an hour, and the log has the error";
    Placement = 17, "placement", "the oldest pages are worth more on the slower device at the prices of now (`lowtide explain` has the ages)";
    Incompressible = 18, "incompressible", "pages that did not compress take as much DRAM as before: those older than min_age sink whatever the fill";
}
