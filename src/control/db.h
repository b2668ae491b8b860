/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource database: every pCPU, every extent of memory, every PF, VF and other PCI function,
 * every partition, and who owns it. In memory only; what rebuilds it is the audit log (replay.h).
 * Nothing but db_apply() changes an owner, a definition or a partition's running data, and only a
 * committed transaction (transaction.h) or the replay calls that.
 *
 * Besides, a PF, a VF and a partition carry what was *observed* of them: told by the TCB, SR-PCIM
 * and lead, forgotten with control, said again on each new link.
 */
#pragma once

#include <stddef.h>

#include "parclose/msg_boot.h"
#include "parclose/msg_control_lead.h"
#include "parclose/snapshot.h"
#include "store/audit_entry.h"

#define DB_EXTENTS_MAX 131072 /* blocks of memory, of all nodes */
#define DB_BLOCKS_MAX  2048   /* of a partition: they fit into one audit entry */
#define DB_ACTIONS_MAX 64
#define DB_NODE_MAX    (UINT64_C(64) << 40) /* bytes of a node: its tables are 9/2^21 of it */
#define MEMORY_GRAIN   (UINT64_C(2) << 20)  /* bytes: offsets and sizes are multiples of it */

struct pcpu {
    uint32_t pcpu;
    uint32_t node;
    struct owner owner;
};

/* A buddy block of memory of a node (db_memory.c): MEMORY_GRAIN times a power of two, at a multiple
 * of its size, with one owner. The blocks of a node cover it without gap or overlap, in order. */
struct extent {
    uint32_t node;
    uint64_t offset;
    uint64_t bytes;
    struct owner owner;
};

/* A NUMA node's memory: where blocks begin and whose they are, by granule (db_memory.c). */
struct node {
    uint32_t node;
    uint64_t memory_bytes;
    uint8_t *orders; /* owned, as owners */
    struct owner *owners;
};

/* How much of something that repeats itself is noted in the log (news.h). */
struct news_limit {
    uint64_t boottime_ns; /* since when they are counted */
    uint32_t count;
};

struct vf {
    struct owner owner;
    bool present;  /* the TCB sees it */
    bool said;     /* on this link to the TCB */
    bool assigned; /* the TCB was told, by this control: the two members below */
    struct owner assigned_to;
    struct vf_attributes attributes;
    struct vf_observed observed;
    uint64_t verified_ns; /* since when all of it is as desired (gate.h) */
    uint64_t
        reset_boottime_ns; /* since when it is known to be reset under its guest; 0: it is not */
    bool requested;        /* the host's kernel asks its guest for it: VF_REQUESTED */
    uint64_t outage_boottime_ns, outage_ns; /* counts.h: since when; those that are over */
};

struct pf {
    struct bdf bdf;
    struct pf_image image;
    uint32_t vfs_count; /* VFs that are resources: as many as its card is to have; 0: not managed */
    bool present;
    bool said;
    struct pf_observed observed;
    uint32_t readiness; /* enum pf_readiness: the latest that was processed */
    uint64_t readiness_ns;
    char reason[PARCLOSE_REASON_MAX]; /* SR-PCIM's words for it */
    uint64_t renew_boottime_ns;       /* not renewed again before it */
    struct order_image order;         /* the latest about it; of a managed one */
    struct pf_counts counts;          /* counts.h */
    uint64_t lost_boottime_ns;        /* when it was ready last; 0: it is, or was never */
    bool was_ready;                   /* by the latest word of SR-PCIM */
    bool ours;                        /* since then an action of ours has taken its readiness */
    uint64_t loss;                    /* the entry that says that it was lost; 0: there is none */
    struct news_limit news;
    struct vf vfs[PARCLOSE_MAX_VFS_PER_PF];
};

/* A PCI function that is neither a managed PF nor a VF of one. It is boot's, always: nobody else
 * can be given it, so it needs no transaction and is not in the log. */
struct function {
    bool said; /* on this link to the TCB */
    struct function_observed observed;
};

/* A partition. `config` is what was configured, `run` what runs and is in the log, the rest what
 * was observed since control started. What every pass over all partitions looks at, whether it is
 * started, comes first: one cache line each. */
struct partition {
    struct partition_id id;
    bool defined;
    struct channel_image console; /* owner.kind OWNER_GUEST, or it has none (channels.h) */
    struct partition_run run;
    struct partition_config config;
    uint32_t console_held;       /* command said on this link that it has it */
    bool said;                   /* lead spoke of its monitor on this link */
    uint32_t ordered;            /* 1 << enum order: sent on this link to lead, not answered */
    struct lead_monitor monitor; /* lead's latest word; present 0: none */
    uint32_t attached;          /* 1 << index: of whose channel's server lead says that it has it */
    bool processors_due;        /* lead may not have the latest descriptor: PROCESSORS */
    uint64_t retry_boottime_ns; /* when CHANNELS is tried again; 0: no retry is due */
    char trouble[PARCLOSE_REASON_MAX]; /* lead's words for the last failed CHANNELS, VF_ADD */
    struct {
        struct bdf pf;
        uint32_t index;
        char text[PARCLOSE_REASON_MAX];
    } refused; /* the VF of it that could not be made ready the last time, and ": " and the TCB's
                  words; "" */
    struct bdf adding, leaving;  /* the VFs of VF_ADD, VF_REMOVE that are not answered */
    uint64_t outage_boottime_ns; /* when it lost a PF while it ran; 0: not known (outage.h) */
    struct news_limit news;
};

/* An action on a device that is committed and not answered. */
struct action {
    bool used;
    struct action_image image;
    uint64_t proposal; /* SR-PCIM's id, to answer; 0: nobody waits for it any more */
};

struct db {
    uint8_t boot_id[16];
    struct control_image control;
    bool host_set;
    struct host_config host;
    uint32_t nodes_count;
    struct node nodes[PARCLOSE_MAX_NODES]; /* with memory, by number */
    uint32_t pcpus_count;
    struct pcpu pcpus[PARCLOSE_MAX_PCPUS];
    uint32_t blocks_count;            /* of all nodes: at most DB_EXTENTS_MAX */
    struct pf *pfs[PARCLOSE_MAX_PFS]; /* owned; NULL: free */
    uint32_t functions_count;
    struct function functions[PARCLOSE_MAX_FUNCTIONS]; /* by address */
    uint32_t partitions_end; /* the largest id that was ever taken: none is defined beyond */
    uint32_t name_hashes[PARCLOSE_MAX_PARTITIONS];        /* db_name_hash() of the same index */
    struct partition partitions[PARCLOSE_MAX_PARTITIONS]; /* index = id - 1 */
    struct action actions[DB_ACTIONS_MAX];
    struct edit_image edit;   /* of devices.xml: the latest */
    struct order_image order; /* about SR-PCIM: the latest */
    struct apply_image apply;
};

/* The map as boot found the host: pCPU 0 is boot's, the others idle, all memory available. */
int db_new(struct db **db, const struct inventory *inventory);
void db_free(struct db *db);

/*
 * Puts the after image (or, undoing, the before image) of a change into the map. -ENOENT: no such
 * resource on this host (a log of another machine, or a pCPU that is gone), -ENOSPC: a table is
 * full; nothing is changed then.
 */
int db_apply(struct db *db, const struct audit_change *change, bool undo);

/* All changes of an entry, or none: undone in reverse order when one cannot be applied. */
int db_apply_entry(struct db *db, const struct audit_entry *entry);

/* Visits every image of the map that a transaction can have made, in an order in which db_apply()
 * takes them into a new map. What `visit` returned if that was not 0. */
typedef int db_image_visit(void *context, enum resource_kind kind, uint64_t key0, uint64_t key1,
                           const void *image);
int db_each_image(const struct db *db, db_image_visit *visit, void *context);

/* The image that a resource has now; NULL: it does not exist, or it is memory. */
const void *db_image(struct db *db, uint32_t kind, uint64_t key0, uint64_t key1);

/* Whether the map has the change's before image: what a transaction was made from still stands. */
bool db_matches(struct db *db, const struct audit_change *change);

/*
 * The invariants: exactly one owner each, of a kind that may own it; extents without gap or
 * overlap; a partition owns just what its phase says. 0, or -EUCLEAN with the first violation in
 * `text`.
 */
int db_check(const struct db *db, char text[PARCLOSE_REASON_MAX]);

struct owner owner_of_kind(enum owner_kind kind);
struct owner owner_guest(struct partition_id id);
bool owner_equal(struct owner a, struct owner b);

struct pcpu *db_pcpu(struct db *db, uint32_t number);
uint32_t db_pcpus_of(const struct db *db, enum owner_kind kind); /* how many it owns */
struct pf *db_pf(struct db *db, struct bdf bdf);                 /* NULL: unknown */
struct pf *db_pf_make(struct db *db, struct bdf bdf);      /* made when missing; NULL: table full */
struct pf *db_pf_of_card(struct db *db, const char *card); /* NULL: no such card */
const struct card_config *db_card(const struct db *db, struct bdf pf); /* NULL: not managed */
struct vf *db_vf_by_bdf(struct db *db, struct bdf bdf);                /* NULL: no such */
/* A VF's address, also while the kernel takes it away and waits for its user: its place below the
 * PF is gone then, and it cannot be observed any more (SR-IOV 1.1, 2.1.2: from the capability).
 * Value 0: not known. */
struct bdf db_vf_bdf(const struct pf *pf, uint32_t index);
struct partition *db_partition(struct db *db, struct partition_id id); /* NULL: not defined */
/* The partition that has what has this owner; NULL: no partition has it. */
struct partition *db_partition_of(struct db *db, struct owner owner);
uint32_t db_name_hash(const char *name);
struct partition *db_partition_named(struct db *db, const char *name);
struct partition *db_partition_free(struct db *db); /* a slot for a new one; NULL: none */
struct action *db_action(struct db *db, struct bdf pf, uint32_t index);
struct action *db_action_of(struct db *db, uint64_t transaction);

/* Forgets a PF that is neither managed nor present. */
void db_pf_prune(struct db *db, struct bdf bdf);

/* Functions (db_functions.c) */

void db_function_set(struct db *db, const struct function_observed *observed);
void db_function_drop(struct db *db, struct bdf bdf); /* nothing when it is unknown */
void db_functions_unsaid(struct db *db);              /* a new link to the TCB: none is said */
void db_functions_drop_unsaid(struct db *db);

/* Whether a partition has resources now (between its start and its release). */
bool partition_started(const struct partition *partition);

/* Whether its end is under way. */
bool partition_ending(const struct partition *partition);

/* Memory (db_memory.c) */

const struct node *db_node(const struct db *db, uint32_t number); /* NULL: it has no memory */

/* A node and its memory, all available; bytes a multiple of MEMORY_GRAIN. -E2BIG: more than
 * DB_NODE_MAX; -ENOMEM. */
int db_memory_add(struct db *db, const struct inventory_node *node);
void db_memory_free(struct db *db);

/* All blocks, node by node, in order: `for (struct memory_walk walk = {0}; db_memory_next(db,
 * &walk);)` and then walk.block. The map must not change meanwhile. */
struct memory_walk {
    uint32_t node;    /* index of the next block's node */
    uint64_t granule; /* where it begins */
    struct extent block;
};
bool db_memory_next(const struct db *db, struct memory_walk *walk);

/* `bytes` (a multiple of MEMORY_GRAIN) that are available on `node`, as up to `max` blocks. How
 * many; -ENOMEM. Nothing is changed. */
int db_memory_find(const struct db *db, uint32_t node, uint64_t bytes, struct extent *blocks,
                   size_t max);
/* Owner of the whole run; false when it has several, lies outside, or is not made of granules. */
bool db_memory_owned(const struct db *db, uint32_t node, uint64_t offset, uint64_t bytes,
                     struct owner *owner);
/* -ENOENT: not inside of the node, or not made of granules; -ENOSPC: no room for more blocks. */
int db_memory_set(struct db *db, uint32_t node, uint64_t offset, uint64_t bytes,
                  struct owner owner);
uint64_t db_memory_total(const struct db *db);
/* Bytes of `node` (UINT32_MAX: all) with that owner. */
uint64_t db_memory_of(const struct db *db, uint32_t node, struct owner owner);
