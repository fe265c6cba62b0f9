# cmake -D OUT=web.c -D HEADER=cli/report/web.h -D PREFIX=vgg_cli_web -D FILES=a.css,b.js -D NAMES=style,script
# -P embed.cmake writes the files as arrays of characters, <prefix>_<name> of <prefix>_<name>_size.
string(REPLACE "," ";" FILES "${FILES}")
string(REPLACE "," ";" NAMES "${NAMES}")
set(TEXT "#include \"${HEADER}\"\n")
foreach(file name IN ZIP_LISTS FILES NAMES)
  file(READ ${file} HEX HEX)
  string(REGEX REPLACE "(..)" "0x\\1," BYTES "${HEX}")
  string(APPEND TEXT "const unsigned char ${PREFIX}_${name}[] = {${BYTES}0};\n"
    "const size_t ${PREFIX}_${name}_size = sizeof ${PREFIX}_${name} - 1;\n")
endforeach()
file(WRITE ${OUT} "${TEXT}")
