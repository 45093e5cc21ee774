# The shape of a peptide from its C-alpha atoms, beside that of random chains of the same length.
# Needs bash and any awk.
set -eu
export LC_ALL=C # a decimal point is a point, whatever the language of the machine

awk -f root.awk -f geometry.awk helix.pdb
awk -v chains=6000 -v seed=1953 -f root.awk -f random-chains.awk geometry.csv
cat geometry.txt random-chains.txt >summary.txt
rm geometry.txt random-chains.txt
echo 'done: see summary.txt'
