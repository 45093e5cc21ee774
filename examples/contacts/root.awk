# The square root by Newton's method: not every awk can do it (Debian's busybox cannot).
function root(square,  guess, before) {
  if (square == 0) return 0
  guess = square < 1 ? 1 : square
  do {
    before = guess
    guess = (before + square / before) / 2
  } while (guess < before) # from above it falls, until rounding stops it
  return before
}
