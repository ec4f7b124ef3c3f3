#pragma once
// Two doors for the convergence checker (tests/convergence), both shut in every library and in the binary
// that is shipped: the checker's binaries compile the few sources that use them a second time, with a macro
// set.
//
//   MESHCACHE_SHOW_VERSIONS   answers from the store tell their version, as the field Meshcache-Version
//   MESHCACHE_MUTANT=NAME     plants a mistake, which the checker must find
//
// For `if constexpr` in .cpp files alone: a header that used them would differ between translation units.
#include <cstdint>

namespace meshcache {

/// The mistakes that can be planted; tests/convergence/mutants.cmake says in which source each one is.
enum class mutant : std::uint8_t {
    none,
    // store
    insert_ignores_versions, ///< an older response replaces a newer one
    insert_ignores_floors,
    insert_ignores_groups,
    purge_spares_stored,  ///< the purge of a group holds for what comes, and not for what is there
    soft_is_nothing,      ///< a soft purge makes nothing stale
    floor_keeps_response, ///< a floor refuses what comes, and leaves what is there
    clock_ignores_others, ///< the hybrid clock does not move up to what it sees
    // flow, net
    stale_is_fresh,
    purge_spares_fills,         ///< who asks after a purge joins a fill that began before it
    version_of_answer,          ///< the version is taken when the answer comes, not when the request goes
    invalidation_stays_at_home, ///< an unsafe request invalidates on its own replica alone
    // replica
    log_puts_ignored,
    log_floors_ignored,
    skew_ignored, ///< floors of other replicas are taken as they are
    gap_ignored,
    floors_not_told_again, ///< to a Redis that has lost them
    reconcile_skipped,
    reconcile_keeps_all,  ///< whatever Redis has
    put_ignores_versions, ///< in the script
    put_ignores_floors,   ///< in the script
    purge_keeps_record,   ///< in the script
    floor_hides_floor,    ///< in the script: the higher of two hides the later
    failed_batch_is_lost,
    queue_without_bound,
    lookup_ignores_floors,
    lookup_ignores_groups,
    groups_not_read, ///< a replica that joins does not read what was purged before
};

#ifndef MESHCACHE_MUTANT
#define MESHCACHE_MUTANT none
#endif
/// The mistake in this translation unit.
constexpr mutant planted = mutant::MESHCACHE_MUTANT;

#ifdef MESHCACHE_SHOW_VERSIONS
constexpr bool versions_are_shown = true;
#else
constexpr bool versions_are_shown = false;
#endif

} // namespace meshcache
