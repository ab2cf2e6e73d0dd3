"""Pictures of schedules and firings, as inline SVG text; beside each, the rows that say the same.

- `sparkline`: the last firings of a schedule, in a cell of a table.
- `timeline`: what ran and what comes, a lane per schedule; `density`: when it piles up.
- `graph`: jobs and their dependencies.
- `calendar`: the outcomes of 13 weeks.
- `durations`: how long the last firings took.
- `marks`: the icon and the words of each status; `svg`: how a picture is written.

Every picture is `<svg class="pic pic-KIND">` with a `<title>`: an image (`role="img"`) or, where it
holds links, a group, because a link within an image is hidden from a screen reader. There is no
`style`, no `<style>`, no id. A status is a colour, a shape and a word.

**For the stylesheet.** A class sets `color`; in a `pic`, paths are stroked and rects filled with
`currentColor`, texts are filled with it.

- Kinds: `pic-sparkline`, `pic-timeline`, `pic-density`, `pic-graph`, `pic-calendar`,
  `pic-durations`, and `pic-icon`, a status icon of 10 by 10 beside its word.
- Statuses: `pic-success`, `pic-failed`, `pic-skipped`, `pic-cancelled`, `pic-running`,
  `pic-queued`, `pic-waiting`, `pic-lost`.
- Texts: `pic-label` (names and words), `pic-small` (axes, details), `pic-none` (a `<span>` in
  place of a picture of nothing).
- Texts and lines: `pic-now`, `pic-dst` (a change of the zone's clock), `pic-p50`, `pic-p95`.
- Lines: `pic-axis`, `pic-grid`, `pic-day` (midnight), `pic-edge` (a dependency), `pic-today` (an
  outline).
- Areas: `pic-coming` (ticks and bands of coming occurrences), `pic-load` (the density's bars: a
  filled path), `pic-node` (a job's box: ground and outline), `pic-empty` (a day without firings),
  `pic-ground` (the page's own, behind an icon).

Widths of lines are set on `pic`, so that a picture's own `stroke-width` holds.
"""
