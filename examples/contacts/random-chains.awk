# Monte Carlo: freely jointed chains, each bond as long as the peptide's and in any direction.
# Reads geometry.csv; -v chains=... how many, -v seed=... for the random numbers; needs root.awk.
# Writes random-chains.txt.

NR == 2 {
  split($0, field, ",")
  bonds = field[1] - 1
  bond = field[2]
  ends = field[3]
}

END {
  random = seed
  for (chain = 1; chain <= chains; chain++) {
    grow()
    ends_sum += ends_square
    ends_sum_of_squares += ends_square * ends_square
    gyration_sum += gyration_square
    gyration_sum_of_squares += gyration_square * gyration_square
    if (ends_square >= ends * ends) longer++
    if (chain % (chains / 4) == 0) print "random chains: " chain " of " chains
  }
  out = "random-chains.txt"
  printf "\n%d random chains of %d bonds of %.3f A (seed %d)\n", chains, bonds, bond, seed >out
  print "                                  sampled     +/-    theory" >out
  report("mean square end-to-end distance", ends_sum, ends_sum_of_squares, bonds * bond * bond)
  report("mean square radius of gyration", gyration_sum, gyration_sum_of_squares, \
    bond * bond * bonds * (bonds + 2) / (6 * (bonds + 1)))
  printf "  as long as the peptide, or longer %5.2f %%\n", 100 * longer / chains >out
}

# One chain: the squares of its end-to-end distance and of its radius of gyration.
function grow(  i, x, y, z, x_sum, y_sum, z_sum, squares, atoms) {
  x = y = z = x_sum = y_sum = z_sum = squares = 0
  for (i = 1; i <= bonds; i++) {
    turn()
    x += bond * along_x
    y += bond * along_y
    z += bond * along_z
    x_sum += x
    y_sum += y
    z_sum += z
    squares += x * x + y * y + z * z
  }
  ends_square = x * x + y * y + z * z
  atoms = bonds + 1 # the first is at the origin
  gyration_square = squares / atoms - \
    (x_sum * x_sum + y_sum * y_sum + z_sum * z_sum) / (atoms * atoms)
}

# A direction, all being equally likely: Cook's method, which needs neither roots nor cosines.
function turn(  a, b, c, d, sum) {
  do {
    a = uniform()
    b = uniform()
    c = uniform()
    d = uniform()
    sum = a * a + b * b + c * c + d * d
  } while (sum >= 1)
  along_x = 2 * (b * d + a * c) / sum
  along_y = 2 * (c * d - a * b) / sum
  along_z = (a * a + d * d - b * b - c * c) / sum
}

# Between -1 and 1. Park and Miller's generator, not awk's own rand(): the same numbers in every
# awk. All products stay below 2^53, so they are exact.
function uniform() {
  random = (16807 * random) % 2147483647
  return 2 * random / 2147483647 - 1
}

function report(what, sum, sum_of_squares, theory,  mean, error) {
  mean = sum / chains
  error = root((sum_of_squares / chains - mean * mean) / chains)
  printf "  %-31s %7.2f %7.2f   %7.2f A^2\n", what, mean, error, theory >out
}
