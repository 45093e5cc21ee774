# Distances, contacts and measures of the C-alpha atoms in a PDB file; needs root.awk.
# Writes distances.csv, contacts.csv, contact-map.txt, geometry.csv and geometry.txt.
# The columns of ATOM records: https://www.wwpdb.org/documentation/file-format-content/format33/sect9.html

BEGIN {
  cutoff = 8 # Angstrom
  apart = 3  # residues that are closer in the sequence are neighbours anyway
}

# " CA " is the alpha carbon; "CA  " in the same columns would be calcium.
substr($0, 1, 6) == "ATOM  " && substr($0, 13, 4) == " CA " && substr($0, 17, 1) ~ /[ A]/ {
  n++
  name[n] = substr($0, 18, 3) (substr($0, 23, 4) + 0)
  x[n] = substr($0, 31, 8) + 0
  y[n] = substr($0, 39, 8) + 0
  z[n] = substr($0, 47, 8) + 0
}

/^ENDMDL/ { exit } # the first model is enough

END {
  if (n < 2) {
    print FILENAME ": fewer than two C-alpha atoms" >"/dev/stderr"
    exit 1
  }
  print "read " n " C-alpha atoms from " FILENAME

  header = "residue"
  for (i = 1; i <= n; i++) header = header "," name[i]
  print header >"distances.csv"
  print "residue_1,residue_2,separation,distance_angstrom" >"contacts.csv"
  for (i = 1; i <= n; i++) {
    row = name[i]
    picture = ""
    for (j = 1; j <= n; j++) {
      d = distance(i, j)
      row = row sprintf(",%.3f", d)
      close_by = d < cutoff && (j - i >= apart || i - j >= apart)
      picture = picture (close_by ? "#" : i == j ? "\\" : ".")
      if (close_by && i < j) {
        contacts++
        printf "%s,%s,%d,%.3f\n", name[i], name[j], j - i, d >"contacts.csv"
      }
    }
    print row >"distances.csv"
    print picture >"contact-map.txt"
  }
  print "wrote distances.csv, contacts.csv and contact-map.txt"

  for (i = 1; i <= n; i++) {
    mean_x += x[i] / n
    mean_y += y[i] / n
    mean_z += z[i] / n
    if (i > 1) bond += distance(i - 1, i) / (n - 1)
  }
  for (i = 1; i <= n; i++)
    square += (squared(x[i] - mean_x) + squared(y[i] - mean_y) + squared(z[i] - mean_z)) / n
  ends = distance(1, n)
  gyration = root(square)

  print "residues,bond_angstrom,end_to_end_angstrom,radius_of_gyration_angstrom" >"geometry.csv"
  printf "%d,%.4f,%.4f,%.4f\n", n, bond, ends, gyration >"geometry.csv"

  out = "geometry.txt"
  print FILENAME ", C-alpha atoms" >out
  printf "  residues                        %8d\n", n >out
  printf "  mean distance of neighbours     %8.3f A\n", bond >out
  printf "  end-to-end distance             %8.3f A\n", ends >out
  printf "  radius of gyration              %8.3f A\n", gyration >out
  printf "  contacts                        %8d   (< %g A, >= %d residues apart)\n", \
    contacts, cutoff, apart >out
}

function distance(i, j) {
  return root(squared(x[i] - x[j]) + squared(y[i] - y[j]) + squared(z[i] - z[j]))
}

function squared(value) {
  return value * value
}
