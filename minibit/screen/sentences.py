"""Answers of `inquiry` in plain words, a line each. Pure functions; what is true was found out before."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from minibit import bitfield, units
from minibit.inquiry.block import Asked, BlockStory, Came
from minibit.inquiry.choking import Contest, Place
from minibit.inquiry.progress import Debtor, LastHolder, Progress, Verdict
from minibit.inquiry.recollection import Recent
from minibit.inquiry.scene import Ended

MAX_NAMED = 4


def block_lines(story: BlockStory) -> list[str]:
    """Why a block was asked of whom, and what became of it."""
    peer, block = story.peer, story.block
    if not story.steps:
        if story.resumed:
            return [f"{peer} found block {block} on its disk"]
        if story.here:
            return [f"{peer} has block {block}; when it was asked for is not remembered any more"]
        dealt = ", though it was granted" if story.granted else ""
        return [f"{peer} does not have block {block}{dealt}, and has asked nobody for it"]
    lines = [_asked(story, step) if isinstance(step, Asked) else _came(story, step) for step in story.steps]
    return _indented(lines if story.here else [*lines, f"it has not come to {peer} by then"])


_PLACES: Final = {
    "fixed": "a fixed place",
    "optimistic": "the optimistic place",
    "extra": "a place beyond the slots, as the line would else be idle",
}


def choking_lines(place: Place) -> list[str]:
    """What one peer is to another, and why."""
    peer, who = place.peer, place.who
    lines: list[str] = []
    if place.role == "stranger":
        lines.append(f"{peer} does not know {who}: they were not connected by {_time(place.at)}")
    elif place.role == "choked":
        lines.append(f"{peer} chokes {who}{_choked_because(place)}")
        if place.origin:
            lines.append("what the tracker granted it is served all the same")
    else:
        lines.append(f"{peer} does not choke {who}: it has {_PLACES[place.role]}")
    if place.contest is not None and not place.free_rider and place.withdrawn is None:
        lines += _contest(place, place.contest)
    if place.moves:
        lines.append("its places: " + "; ".join(f"{what} at {_time(t)}" for t, what in place.moves))
    if place.next_round is not None and place.role != "stranger" and not place.free_rider:
        lines.append(f"{peer}'s next round is at {_time(place.next_round)}")
    return _indented(lines)


def progress_line(told: Progress) -> str:
    """Why a peer is slow, in one line for a list of many."""
    head = f"{told.peer} has {told.have} of {told.in_all} blocks"
    moving = f", {units.rate(told.down_rate, nothing='nothing')} comes"
    match told.verdict:
        case Verdict.COMPLETE if told.completed_after:
            return f"{told.peer} is complete, after {units.duration(told.completed_after, tenths=True)}"
        case Verdict.COMPLETE:
            return f"{told.peer} holds everything since it came"
        case Verdict.LEFT:
            assert told.ended is not None
            return f"{head}: {_ended(told.ended)}"
    return f"{head}{moving}: {_reason(told)}"


def progress_lines(told: Progress) -> list[str]:
    """Why a peer is slow or stuck, where its blocks came from, and whom it serves."""
    lines = [progress_line(told)]
    waiting = told.verdict not in (Verdict.COMPLETE, Verdict.LEFT)
    if told.gone_count:
        which = bitfield.listed(bitfield.union(told.gone))
        held = "" if told.verdict is Verdict.GONE else _last_held(told.holders)  # said above
        lines.append(f"nobody there holds {which} of the blocks that it lacks{held}")
    if waiting:
        if told.stall:
            lines.append(f"its own log says: {told.stall}")
        lines += [_debtor(debtor) for debtor in told.debtors[:MAX_NAMED]]
        if told.chokers:
            lines.append(f"who has what it lacks and chokes it: {_names(told.chokers)}")
        if told.unseen:
            lines.append(f"no neighbour has shown it {told.unseen} of the blocks that it lacks")
    if told.unanswered and waiting:
        lines.append(f"did not answer its calls: {_names(told.unanswered)}")
    if told.corrupt:
        spoilers = "; ".join(f"{who} had a part in {number}" for who, number in told.spoilers[:MAX_NAMED])
        thrown, was = units.count(told.corrupt, "block"), "was" if told.corrupt == 1 else "were"
        lines.append(f"{thrown} came wrong and {was} thrown away: {spoilers}")
    lines += [f"{who} was banned at {_time(at)}" for who, at in told.banned[:MAX_NAMED]]
    lines += _sources(told)
    if told.ended is None:
        lines.append(_serves(told))
    return _indented(lines)


def stall_lines(stalls: Mapping[str, str]) -> list[str]:
    """Who stands still and why, a line each for the first ones and one for the rest."""
    lines = [f"{peer} stands still: {reason}" for peer, reason in list(stalls.items())[:MAX_NAMED]]
    more = len(stalls) - len(lines)
    return [*lines, f"{more} more {'stands' if more == 1 else 'stand'} still"] if more else lines


def recent_lines(recent: Recent, now: float) -> list[str]:
    """A running peer's last decisions, as facts for a table: the pick, the moves, the next round."""
    told: list[str] = []
    if recent.picked is not None and recent.picked_at is not None:
        pick = recent.picked
        copies = "" if pick.copies is None else f", {units.count(pick.copies, 'copy', 'copies')}"
        lot = f", by lot of {pick.tied}" if pick.tied > 1 else ""
        told.append(f"asked {pick.who} for block {pick.block}: {pick.rule}{copies}{lot}")
    if recent.chosen is not None and recent.chosen_at is not None:
        moves = [f"{who} {what}" for who, what in recent.chosen.moves]
        shown = ", ".join(moves[:MAX_NAMED]) + (", …" if len(moves) > MAX_NAMED else "")
        told.append(f"{shown} {max(0.0, now - recent.chosen_at):.0f} s ago")
    told.append(f"next round in {max(0.0, recent.next_round - now):.0f} s")
    return told


# --- blocks


def _asked(story: BlockStory, step: Asked) -> str:
    copies = "" if step.copies is None else f", {units.count(step.copies, 'copy', 'copies')} among neighbours"
    lot = f", by lot from {step.tied} equals" if step.tied > 1 else ""
    why = (
        f"{step.rule} of the {units.count(step.candidates, 'block')} that {step.who} could give{copies}{lot}"
    )
    line = f"at {_time(step.at)} {story.peer} asked {step.who} for block {story.block}: {why}"
    if step.held_by:
        more = step.held_by - len(step.holders)
        others = _listing([*step.holders, *([f"{more} more"] if more else [])])
        line += f". {others} had it too; {step.who} was free to be asked for more"
    return line


def _came(story: BlockStory, step: Came) -> str:
    senders = _listing([f"{units.count(chunks, 'chunk')} from {who}" for who, chunks in step.senders])
    if step.right:
        return f"at {_time(step.at)} it was here and right: {senders}"
    return f"at {_time(step.at)} it was here and wrong, and {story.peer} threw it away: {senders}"


# --- choking


def _choked_because(place: Place) -> str:
    if place.free_rider:
        return f": {place.peer} uploads to nobody, as a free rider does"
    if place.wants is False:
        return f": {place.peer} has nothing that {place.who} lacks"
    if place.withdrawn is not None:
        at, what = place.withdrawn
        if what == "left":
            return f": it left at {_time(at)}, and has not competed since it came again"
        return f": it wanted nothing more of {place.peer} at {_time(at)}, or left its place unused"
    if place.contest is None:
        return ": it has not competed for a place so far"
    if place.missed is not None:
        return f": it did not compete in the round at {_time(place.missed)}"
    return ""


def _contest(place: Place, contest: Contest) -> list[str]:
    measure = place.rule or "score"
    ranked = f"at {_time(contest.at)} {place.who} ranked {contest.rank} of {contest.among} by {measure}"
    line = f"{ranked}, with {_score(contest.score)}"
    if contest.last == place.who:
        return [f"{line}: the last of those who are fixed"]
    if contest.cut is None:
        return [line]
    line += f"; the last fixed place went to {contest.last} with {_score(contest.cut)}"
    if place.role != "choked" or contest.score < contest.cut:
        return [line]
    lot = "only who is drawn by lot is ranked against those who have a place"
    if contest.drawn is not None:
        lot += f", and the lot fell on {contest.drawn}"
    tie = "ties keep who has the place" if contest.score == contest.cut else "though that is less"
    return [line, f"{tie}: {lot}"]


# --- progress


def _reason(told: Progress) -> str:
    match told.verdict:
        case Verdict.GONE:
            return f"nobody there holds what it lacks{_last_held(told.holders)}"
        case Verdict.ALONE:
            return "it has no neighbour"
        case Verdict.STALLED:
            return told.stall
        case Verdict.LIMITED:
            return f"that is its own download limit, {units.rate(told.download_limit)}"
        case Verdict.UNSEEN:
            return "no neighbour shows what it lacks"
        case Verdict.CHOKED:
            return f"choked by all who have what it lacks: {_names(told.chokers)}"
        case Verdict.UPLINKS:
            full = [debtor.who for debtor in told.debtors if debtor.busy]
            return f"{_names(full)} {'sends all that it may' if len(full) == 1 else 'send all that they may'}"
        case Verdict.WAITING:
            return f"it waits for {_names([debtor.who for debtor in told.debtors])}"
    return "it has asked nobody for anything just now"


def _debtor(debtor: Debtor) -> str:
    line = f"{debtor.who} owes it {units.count(debtor.chunks, 'chunk')}"
    if debtor.ended is not None:
        return f"{line}, and {_ended(debtor.ended)}"
    if debtor.up_rate is None:
        return line
    sends = f"sends {units.rate(debtor.up_rate, nothing='nothing')}"
    if debtor.limit:
        sends += f" of the {units.rate(debtor.limit)} that it may"
    to = "" if not debtor.serving else f", to {units.count(debtor.serving, 'peer')} that wait"
    return f"{line} and {sends}{to}" + (": its uplink is full" if debtor.busy else "")


def _sources(told: Progress) -> list[str]:
    total = sum(chunks for _, chunks in told.senders)
    if not total:
        return (
            [f"all that it has, it had from the start: {units.count(told.resumed, 'block')}"]
            if told.resumed
            else []
        )
    parts = [f"{who} {units.proportion(chunks, total)}" for who, chunks in told.senders[: 2 * MAX_NAMED]]
    more = len(told.senders) - len(parts)
    if more:
        parts.append(
            f"{more} more {units.proportion(sum(n for _, n in told.senders[2 * MAX_NAMED :]), total)}"
        )
    found = f", and {units.count(told.resumed, 'block')} it found on its disk" if told.resumed else ""
    return [f"its blocks came from {', '.join(parts)}{found}"]


def _serves(told: Progress) -> str:
    served = f"it uploads {units.rate(told.up_rate, nothing='nothing')}"
    if told.limit:
        served += f" of the {units.rate(told.limit)} that it may"
    served += f", to {_listing(told.fixed)}" if told.fixed else ""
    served += f", and by lot to {told.optimistic}" if told.optimistic else ""
    return served if told.next_round is None else f"{served}; next round at {_time(told.next_round)}"


def _last_held(holders: Sequence[LastHolder]) -> str:
    if not holders:
        return ""
    told = [
        f"{each.who} held {each.blocks} of them until {_time(each.ended.at)}, when it {_how(each.ended)}"
        for each in holders[:MAX_NAMED]
    ]
    return f" ({'; '.join(told)})"


def _ended(ended: Ended) -> str:
    why = f" ({ended.why})" if ended.why else ""
    return f"it {_how(ended)} at {_time(ended.at)}{why}"


def _how(ended: Ended) -> str:
    said = {"goodbye": "left", "killed": "was killed", "silent": "fell silent", "ended": "ended by an error"}
    return said.get(ended.how, "left")


def _indented(lines: list[str]) -> list[str]:
    """The first line, and the others under it."""
    return [*lines[:1], *(f"  {line}" for line in lines[1:])]


def _names(names: Iterable[str]) -> str:
    all_of_them = list(names)
    more = len(all_of_them) - MAX_NAMED
    return _listing(all_of_them if more <= 0 else [*all_of_them[:MAX_NAMED], f"{more} more"])


def _listing(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _time(t: float) -> str:
    return units.duration(t, tenths=True)


def _score(score: float) -> str:
    return f"{score:g}"
