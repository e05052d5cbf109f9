"""What a consumer promises, as far as it shows from outside."""

from enum import StrEnum


class Rule(StrEnum):
    SETTLED = "nothing is lost, nothing stays for ever"
    HEALTHY = "nothing healthy is buried"
    REASON = "what is buried has its reason"
    POISON = "a poison message is buried"
    DELETES = "no delete without a finished handler or a letter"
    DEAD_DELETES = "no delete on a dead lease"
    DEAD_STARTS = "no handler starts on a dead lease"
    DEAD_RUNS = "a handler ends with its lease"
    ONCE = "recorded work is not done again"
    ALONE = "claimed work is not done twice at a time"
    AGAIN = "a process does not run again what it finished"
    CALM = "one run where nothing is wrong"
    ORDER = "FIFO order is kept"
    OVERLAP = "no overlap inside a group"
    SHARE = "a group has its share, and no more"
    SLOTS = "never more handlers than slots"
    PATIENCE = "a refused settlement is repeated"
    RECEIPTS = "at most one receipt for each restart"
    DRAINED = "all in hand is finished or given back by the drain"
    ENDS = "the process ends within its budget"
    STAYS = "a process ends only when it is told to"
