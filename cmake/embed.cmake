# cmake -D OUT=web.c -D FILES=a.css,b.js -D NAMES=style,script -P embed.cmake writes the files as arrays of
# characters, vgg_cli_web_<name> of vgg_cli_web_<name>_size.
string(REPLACE "," ";" FILES "${FILES}")
string(REPLACE "," ";" NAMES "${NAMES}")
set(TEXT "#include \"cli/report/web.h\"\n")
foreach(file name IN ZIP_LISTS FILES NAMES)
  file(READ ${file} HEX HEX)
  string(REGEX REPLACE "(..)" "0x\\1," BYTES "${HEX}")
  string(APPEND TEXT "const unsigned char vgg_cli_web_${name}[] = {${BYTES}0};\n"
    "const size_t vgg_cli_web_${name}_size = sizeof vgg_cli_web_${name} - 1;\n")
endforeach()
file(WRITE ${OUT} "${TEXT}")
