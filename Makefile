# make [build]  the module -> $(BUILD)/ngx_http_oidc_module.so      make install  where Debian's nginx looks (DESTDIR honoured)
# make build-deps  what the build needs                             make demo-deps, deps  ... and the demonstration, and the tests
# make demo     providers, nginx and an application, on loopback    make demo-check  the same in a real browser, http and https
# make test     deps, build, unit, lint, t/*.t                      make test-asan, test-clang, bench, lint, clean
# make deb      Debian's package -> $(BUILD)/deb/                   make test-deb  installs, tries and purges it on a clean Debian 12
# make fuzz     libFuzzer targets over src/oidc and the words of directives, FUZZ_SECONDS=60 each, FUZZ_TARGETS="jws jwe" fewer of them
# make test-matrix NGINX_TREES="<tree>..."  t/*.t with each nginx   TESTS="t/journey.t..." fewer of them
#
# make client-key DIR=<folder>                                     new keys for the tokens of FranceConnect+, EC and RSA
#
# NGINX_SRC=<tree> builds against another nginx; unless its `nginx -V` names --with-compat, NGINX_FLAGS is what that prints, without
# --with-cc-opt, --with-ld-opt and =dynamic modules. CC=clang CXX=clang++ for clang.

BUILD       ?= build
NGINX_SRC   ?= /usr/share/nginx/src
NGINX_FLAGS ?= --with-compat --with-threads --with-http_ssl_module --with-http_v2_module
SANITIZE    ?=
OPTIMIZE    ?= -g -O2
HARDEN      ?= -fstack-protector-strong -Wformat -Werror=format-security -Wdate-time $(if $(SANITIZE),-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=2)

SHELL       := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
MODULE      := $(BUILD)/ngx_http_oidc_module.so
TREE        := $(BUILD)/nginx
CPUS        := $(shell nproc)
CONFIGURE   := $(if $(wildcard $(NGINX_SRC)/configure),./configure,auto/configure)
SUDO        := $(if $(filter-out 0,$(shell id -u)),sudo)

export OIDC_MODULE = $(abspath $(MODULE))

.DEFAULT_GOAL := build
.PHONY: build install deb build-deps demo-deps deps unit lint test test-asan test-clang test-matrix test-deb fuzz bench demo demo-check clean client-key \
        perl-tests fuzz-build FORCE
.DELETE_ON_ERROR:

# ---- The module --------------------------------------------------------------------------------------------------------------

# One at a time in a build directory, whoever else builds.
build:
	@mkdir -p $(BUILD)
	@+flock $(BUILD)/.lock $(MAKE) --no-print-directory $(MODULE)

# What the makefile that nginx generates depends on: written only when it changes.
$(BUILD)/inputs: FORCE
	@mkdir -p $(BUILD)
	@inputs='$(CC) $(NGINX_SRC) $(NGINX_FLAGS) $(SANITIZE) $(OPTIMIZE) $(HARDEN) $(sort $(shell find src -name '*.?pp'))'; \
	 echo "$$inputs" | cmp -s - $@ || echo "$$inputs" > $@

# nginx's configure writes into the source tree and its makefile takes every path literally: each build has a tree of links
# of its own, in which all paths are short and relative.
$(TREE)/objs/Makefile: config config.make $(BUILD)/inputs
	@test -x $(NGINX_SRC)/$(CONFIGURE) || { echo 'no nginx source tree in $(NGINX_SRC): run "make build-deps", or give NGINX_SRC=<tree>' >&2; exit 1; }
	@echo 'configuring $(TREE)'
	@rm -rf $(TREE)
	@cp -as $(abspath $(NGINX_SRC)) $(TREE)
	@rm -rf $(TREE)/objs $(TREE)/Makefile
	@ln -s $(CURDIR) $(TREE)/module
	@cd $(TREE) && NGX_CONF_FLAGS=($(NGINX_FLAGS)) && { test ! -f conf_flags || . ./conf_flags; } && \
	$(CONFIGURE) "$${NGX_CONF_FLAGS[@]}" --with-cc=$(CC) --with-cc-opt='$(OPTIMIZE) -fPIC $(HARDEN) $(SANITIZE)' \
	    --with-ld-opt='-Wl,-z,relro -Wl,-z,now -fPIC $(SANITIZE)' --builddir=objs --add-dynamic-module=module > configure.log 2>&1 \
	    || { tail -n 20 configure.log >&2; exit 1; }

$(MODULE): $(TREE)/objs/Makefile FORCE
	@test -e $@ || echo 'compiling, about a minute'
	@+$(MAKE) -C $(TREE) -f objs/Makefile --no-print-directory -s -j$(CPUS) modules
	@cmp -s $(TREE)/objs/$(@F) $@ || { cp $(TREE)/objs/$(@F) $@.new && mv $@.new $@ && echo 'built $@'; }

MODULES   := /usr/lib/nginx/modules
AVAILABLE := /usr/share/nginx/modules-available
ENABLED   := /etc/nginx/modules-enabled

install: build
	install -d $(DESTDIR)$(MODULES) $(DESTDIR)$(AVAILABLE) $(DESTDIR)$(ENABLED)
	install -s -m 644 $(MODULE) $(DESTDIR)$(MODULES)/
	echo 'load_module modules/$(notdir $(MODULE));' > $(DESTDIR)$(AVAILABLE)/mod-http-oidc.conf
	ln -sf $(AVAILABLE)/mod-http-oidc.conf $(DESTDIR)$(ENABLED)/50-mod-http-oidc.conf

# The package's own build is Debian's: debian/, in a copy of what it needs.
DEB := $(BUILD)/deb

deb:
	@$(call install-packages,$(BUILD_PACKAGES) $(DEB_PACKAGES))
	@rm -rf $(DEB) && mkdir -p $(DEB)/source
	@cp -r config config.make src docs conf-examples debian *.md $(DEB)/source
	@echo 'building the package, some minutes'
	@cd $(DEB)/source && dpkg-buildpackage -us -uc -b > ../build.log 2>&1 || { tail -n 20 ../build.log >&2; exit 1; }
	@rm -rf $(DEB)/source
	@lintian --allow-root --fail-on error,warning $(DEB)/*.changes
	@ls $(DEB)/*.deb

# ---- What the machine needs: a second run touches no network -----------------------------------------------------------------

# nginx-dev is the source of Debian's nginx, and needs exactly that nginx beside it.
BUILD_PACKAGES := $(if $(filter /usr/share/nginx/src,$(NGINX_SRC)),nginx-dev) g++ make libcurl4-openssl-dev libcjose-dev libjansson-dev libssl-dev libpcre2-dev zlib1g-dev
DEMO_PACKAGES := nginx openssl ca-certificates $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm)
TEST_PACKAGES := pkg-config curl binutils libgtest-dev clang clang-format-14 libclang-rt-14-dev wrk nghttp2-client perl python3 \
                 libio-socket-ssl-perl libjson-perl chromium libnss3-tools fonts-dejavu-core fonts-liberation
DEB_PACKAGES := build-essential lintian debootstrap

# $(call install-packages,those)
install-packages = missing=; for p in $(1); do \
     dpkg-query -W -f '$${db:Status-Abbrev}' $$p 2>/dev/null | grep -q '^ii' || missing="$$missing $$p"; done; \
 if [ -n "$$missing" ]; then echo "installing$$missing"; \
     $(SUDO) apt-get -q update; $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$missing; fi

install-node-modules = cmp -s t/package-lock.json t/node_modules/.installed-lock || { echo 'installing t/node_modules, half a gigabyte'; \
 npm ci --prefix t --loglevel=error --no-audit --no-fund && cp t/package-lock.json t/node_modules/.installed-lock; }

build-deps:
	@$(call install-packages,$(BUILD_PACKAGES))

demo-deps:
	@$(call install-packages,$(BUILD_PACKAGES) $(DEMO_PACKAGES))
	@$(install-node-modules)

deps:
	@$(call install-packages,$(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES))
	@$(install-node-modules)

# ---- Keys: openssl only, nothing is overwritten --------------------------------------------------------------------------------

EC_KEY = $(DIR)/oidc-enc-ec.pem
RSA_KEY = $(DIR)/oidc-enc-rsa.pem

client-key:
	@test -d '$(DIR)' || { echo 'usage: make client-key DIR=<an existing folder>' >&2; exit 1; }
	@for key in '$(EC_KEY)' '$(RSA_KEY)'; do \
	     if [ -e "$$key" ]; then echo "$$key exists and stays as it is: choose another folder" >&2; exit 1; fi; done
	@umask 077; openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out '$(EC_KEY)'
	@umask 077; openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out '$(RSA_KEY)'
	@chmod 0640 '$(EC_KEY)' '$(RSA_KEY)'
	@echo 'One of these goes into oidc_provider, the one whose algorithm is registered:'
	@echo '    client_key $(abspath $(EC_KEY)) use=enc alg=ECDH-ES;'
	@echo '    client_key $(abspath $(RSA_KEY)) use=enc alg=RSA-OAEP-256;    # or RSA-OAEP'

# ---- Tests -------------------------------------------------------------------------------------------------------------------

UNIT_SRCS := $(wildcard src/oidc/*/*.cpp t/unit/*_test.cpp)
UNIT_OBJS := $(UNIT_SRCS:%.cpp=$(BUILD)/unit/%.o)
DRIVER_OBJS := $(patsubst %.cpp,$(BUILD)/unit/%.o,t/unit/differential/driver.cpp $(wildcard src/oidc/base/*.cpp src/oidc/jose/*.cpp))
UNIT_FLAGS := -std=c++20 -g $(if $(SANITIZE),-O0,-O1) -Wall -Wextra -Werror -Isrc -It/unit $(SANITIZE)

$(BUILD)/unit/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CXX) $(UNIT_FLAGS)' | cmp -s - $@ || echo '$(CXX) $(UNIT_FLAGS)' > $@

$(BUILD)/unit/%.o: %.cpp $(BUILD)/unit/flags
	@mkdir -p $(@D)
	@echo '$(CXX) $<'
	@$(CXX) $(UNIT_FLAGS) -MMD -MP -c $< -o $@

$(BUILD)/unit/run: $(UNIT_OBJS)
	$(CXX) $(SANITIZE) $(UNIT_OBJS) -o $@ -lgtest -lgtest_main -lcjose -ljansson -lcrypto -pthread

# The verdicts of the token layer, to be held against npm's jose.
$(BUILD)/unit/differential: $(DRIVER_OBJS)
	@$(CXX) $(SANITIZE) $(DRIVER_OBJS) -o $@ -lcjose -ljansson -lcrypto

-include $(UNIT_OBJS:.o=.d) $(DRIVER_OBJS:.o=.d)

unit:
	@mkdir -p $(BUILD)
	@+flock $(BUILD)/.unit-lock $(MAKE) --no-print-directory -j$(CPUS) $(BUILD)/unit/run $(BUILD)/unit/differential
	$(BUILD)/unit/run --gtest_brief=1
	t/providers/node 22 t/unit/differential.mjs $(BUILD)/unit/differential

lint: build
	t/lint $(MODULE)

# Objects are compiled once, for all targets. clang cannot place -fsanitize=function beside a coroutine. What reads the
# words of directives finds nginx's headers in the configured tree.
FUZZ         := $(BUILD)/fuzz
FUZZ_CXX     ?= clang++
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard t/fuzz/*.cpp)))
FUZZ_NGINX   := $(addprefix -isystem $(TREE)/,src/core src/event src/event/modules src/os/unix src/http src/http/modules src/http/v2 objs)
FUZZ_CHECKS  := address,undefined -fno-sanitize=function -fno-sanitize-recover=all
FUZZ_FLAGS   := -std=c++20 -gline-tables-only -O1 -Wall -Wextra -Werror -Isrc -It/unit $(FUZZ_NGINX) -fsanitize=fuzzer-no-link,$(FUZZ_CHECKS)
FUZZ_OF_CONF := $(patsubst %,src/%.cpp,ngx_http_oidc conf/config_error conf/parse conf/route)
FUZZ_OBJS    := $(patsubst %.cpp,$(FUZZ)/%.o,$(wildcard src/oidc/*/*.cpp) $(FUZZ_OF_CONF))
FUZZ_BINS    := $(FUZZ_TARGETS:%=$(FUZZ)/bin/%)

$(FUZZ)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FUZZ_CXX) $(FUZZ_FLAGS)' | cmp -s - $@ || echo '$(FUZZ_CXX) $(FUZZ_FLAGS)' > $@

$(FUZZ)/precompiled.pch: t/fuzz/precompiled.hpp $(FUZZ)/flags
	@$(FUZZ_CXX) $(FUZZ_FLAGS) -x c++-header $< -o $@

$(FUZZ)/%.o: %.cpp $(FUZZ)/precompiled.pch
	@mkdir -p $(@D)
	@echo '$(FUZZ_CXX) $<'
	@$(FUZZ_CXX) $(FUZZ_FLAGS) -include-pch $(FUZZ)/precompiled.pch -MMD -MP -c $< -o $@

$(FUZZ_OF_CONF:%.cpp=$(FUZZ)/%.o) $(FUZZ)/t/fuzz/conf.o: $(TREE)/objs/Makefile

$(FUZZ)/src.a: $(FUZZ_OBJS)
	@rm -f $@ && ar rcs $@ $^

$(FUZZ_BINS): $(FUZZ)/bin/%: $(FUZZ)/t/fuzz/%.o $(FUZZ)/src.a
	@mkdir -p $(@D)
	@$(FUZZ_CXX) -fsanitize=fuzzer,$(FUZZ_CHECKS) $^ -o $@ -lgtest -lcjose -ljansson -lcrypto -lcurl -pthread

-include $(FUZZ_OBJS:.o=.d) $(FUZZ_TARGETS:%=$(FUZZ)/t/fuzz/%.d)

fuzz-build: $(FUZZ_BINS)

fuzz: deps
	@mkdir -p $(FUZZ)
	@+flock $(BUILD)/.lock $(MAKE) --no-print-directory $(TREE)/objs/Makefile
	@+flock $(FUZZ)/.lock $(MAKE) --no-print-directory -j$(CPUS) fuzz-build
	@t/fuzz/seeds $(FUZZ)
	@t/fuzz/run $(FUZZ) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

TESTS ?= t/*.t

perl-tests:
	prove -j2 -r $(TESTS)

# One after the other: prove's summary ends the output.
test:
	@+$(MAKE) --no-print-directory deps
	@+$(MAKE) --no-print-directory build
	@+$(MAKE) --no-print-directory unit
	@+$(MAKE) --no-print-directory lint
	@+$(MAKE) --no-print-directory perl-tests

# nginx itself is not instrumented: it loads the sanitizers' run time first. Reports of the workers go to files, and one is
# a failure. Without optimisation the compiler is four times as fast here, and that is most of the run.
ASAN := BUILD=$(BUILD)/asan SANITIZE='-fsanitize=address,undefined -fno-omit-frame-pointer' OPTIMIZE='-g -O0'
REPORTS := $(abspath $(BUILD)/asan/reports)

test-asan: deps
	@+$(MAKE) --no-print-directory $(ASAN) build
	@+UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(MAKE) --no-print-directory $(ASAN) unit
	@rm -rf $(REPORTS) && mkdir -p -m 1777 $(REPORTS)
	@+OIDC_PRELOAD="$$($(CC) -print-file-name=libasan.so):$$($(CC) -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:log_path=$(REPORTS)/asan \
	  UBSAN_OPTIONS=print_stacktrace=1:log_path=$(REPORTS)/ubsan \
	  $(MAKE) --no-print-directory $(ASAN) perl-tests
	@if [ -n "$$(ls -A $(REPORTS))" ]; then cat $(REPORTS)/* >&2; echo 'sanitizer reports' >&2; exit 1; fi

test-clang: deps
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang CXX=clang++ build
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang CXX=clang++ unit
	@+$(MAKE) --no-print-directory BUILD=$(BUILD)/clang perl-tests

# Each nginx with a module of its own: <tree>/objs/nginx where it is built there, else the machine's (Debian's tree has none).
NGINX_TREES ?= $(NGINX_SRC)

test-matrix: deps
	@+for tree in $(abspath $(NGINX_TREES)); do \
	     nginx=$$tree/objs/nginx; test -x $$nginx || nginx=$$(command -v nginx); own=$(BUILD)/matrix/$${tree##*/}; \
	     echo "$$tree: $$($$nginx -v 2>&1)"; \
	     $(MAKE) --no-print-directory BUILD=$$own NGINX_SRC=$$tree build; \
	     OIDC_NGINX=$$nginx $(MAKE) --no-print-directory BUILD=$$own perl-tests; done

test-deb: deb
	$(SUDO) prove -v t/deb/install.t :: $(DEB)

bench: deps
	@+$(MAKE) --no-print-directory build
	t/bench/run

# ---- The demonstration -------------------------------------------------------------------------------------------------------

demo: demo-deps
demo-check: deps
demo demo-check:
	@+$(MAKE) --no-print-directory build
	@exec t/demo/run $(if $(filter demo-check,$@),check,demo)

clean:
	rm -rf $(BUILD)
