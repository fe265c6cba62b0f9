# The commands of the README. Everything is built by CMake and Ninja; this only calls them, after
# installing the Debian packages that are missing.
#   make demo      train on pictograms, evaluate, classify
#   make test      build and run all tests
#   make build     build/vgg
#   make install   into PREFIX, by default /usr/local, below DESTDIR where that is set
#   make uninstall what make install put there
#   make sanitize  the tests under ASan and UBSan
#   make thread    the unit tests under the thread sanitizer
#   make thread-serve  the server under the thread sanitizer
#   make valgrind  the unit tests under valgrind
#   make clang     build with Clang, whose warnings are errors
#   make fuzz      each fuzzer for a minute
#   make failing-calls  each call of the system, of threads and of memory failing, in each command
#   make many-networks  2,000 random networks in files of every format
#   make kills     trainings killed at any moment and resumed
#   make eval-kills  an evaluation of 10,000 pictures killed ten times and resumed
#   make abuse     100,000 requests of all kinds to a server, or ABUSE
#   make abi       write anew what tests/house/abi/ keeps of this minor version
#   make clean     remove the folders that all of these build in
WERROR ?= OFF
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: build install uninstall demo test build-test sanitize build-sanitize thread thread-serve valgrind clang fuzz failing-calls many-networks kills eval-kills abuse abi clean

build:
	@scripts/packages.sh build
	@cmake --preset release -DVGG_WERROR=$(WERROR) -DVGG_BUILD_TESTS=OFF >/dev/null
	@cmake --build build

install: build
	@DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

uninstall: build
	@DESTDIR="$(DESTDIR)" scripts/uninstall.sh build "$(PREFIX)"

demo: build
	@scripts/demo.sh

test: build-test
	@scripts/run_tests.py build

build-test:
	@scripts/packages.sh build test
	@cmake --preset release -DVGG_WERROR=$(WERROR) -DVGG_BUILD_TESTS=ON >/dev/null
	@cmake --build build

sanitize: build-sanitize
	@VGG_TEST_QUICK=1 scripts/run_tests.py build-sanitize

build-sanitize:
	@scripts/packages.sh build test
	@cmake --preset sanitize -DVGG_WERROR=$(WERROR) >/dev/null
	@cmake --build build-sanitize

thread:
	@scripts/packages.sh build test
	@cmake --preset thread >/dev/null
	@cmake --build build-thread
	@VGG_TEST_QUICK=1 scripts/run_tests.py build-thread --label unit

# The server alone: its tests but for those of the page, and some hundred requests of all kinds.
thread-serve:
	@scripts/packages.sh build test
	@cmake --preset thread -DVGG_BUILD_TESTS=OFF >/dev/null
	@cmake --build build-thread --target vgg-program
	@VGG_TEST_QUICK=1 VGG=build-thread/vgg /usr/bin/python3 -m pytest -q tests/serve --ignore tests/serve/test_page.py
	@VGG=build-thread/vgg /usr/bin/python3 tests/serve/abuse.py --no-memory $(or $(ABUSE),500)

valgrind: build-test
	@scripts/packages.sh valgrind
	@# Of what the vector code of libjpeg-turbo makes, valgrind takes some samples for unwritten ones.
	@JSIMD_FORCENONE=1 VGG_TEST_QUICK=1 scripts/run_tests.py build --label unit --valgrind

clang:
	@scripts/packages.sh build test clang
	@cmake --preset clang -DVGG_WERROR=ON >/dev/null
	@cmake --build build-clang

fuzz:
	@scripts/packages.sh build clang fuzz
	@cmake --preset fuzz >/dev/null
	@cmake --build build-fuzz --target fuzzers
	@scripts/fuzz.sh build-fuzz

failing-calls: build-test
	@VGG=build/vgg VGG_BUILD=build tests/faults/failing_calls.py

abuse: build
	@scripts/packages.sh test
	@VGG=build/vgg /usr/bin/python3 tests/serve/abuse.py $(ABUSE)

many-networks: build-test
	@scripts/packages.sh torch
	@VGG_MANY_NETWORKS=2000 VGG=build/vgg VGG_BUILD=build /usr/bin/python3 -m pytest -q tests/formats/test_many_networks.py

KILLS ?= 1000
kills: build-test
	@VGG=build/vgg VGG_BUILD=build tests/cli/kills.py calls moments $(KILLS) features 100 room 100 disks 40

DATA ?=
eval-kills: build-test
	@VGG=build/vgg tests/cli/eval_kills.py $(DATA)

abi:
	@scripts/packages.sh build test
	@scripts/abi.sh

clean:
	rm -rf build build-clang build-sanitize build-thread build-fuzz
