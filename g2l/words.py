"""Readable names for discovered anchors: short plain nouns with no claim about what the images show."""

_LIST = """
topaz lemon lobster carpet sofa cedar lake field cube whale amber atlas pencil harp melon coin temple
wagon chest bottle canal barrel cello ring apron bread jasmine cable oar lilac garnet crystal holly
maple elbow coast coral banjo bison dial lantern pond cake panda cape attic swan easel tunnel table
silk eagle zebra frame rabbit cherry lever parrot copper helmet fork badge loom basket globe straw
coal drum meadow bugle piano lens cactus bell cloud wolf sponge jigsaw crayon orchard oven pigeon
linen glove canyon glacier bridge water thistle jade spiral falcon bagel mango guitar nut fern violet
reef hat granite plate tower ocean knot petal pearl flame pipe train flask palm leaf wool oak bulb
deck peach net window walnut shelf key dawn cliff ivy wheel tray fence camel needle orchid turnip lime
paper thimble chime fox honey tent sand flint stone arch flag jacket hammer slate pepper iris bowl
timber clock kayak ember echo vine wave sled elm horn grain compass cargo spoon spark torch hook shell
beacon arrow sugar cotton thorn foam mill pine acorn kettle lark ship comet blade sail dome cabin
beach wheat basin kite harbor valley birch ladder orbit curtain pump frost steam lamp dune barn jug
hut hill pistachio fig indigo spice clover funnel grape crane flute desk rocket alley chair castle
turtle glass lion salt apple prism hinge moon mitten brook bean branch river crown olive quill cork
desert island onion opal marble dice lily prairie mesa chain fountain daisy trail brick raft satin
mast mug cup tiger fan cart saffron dock spade owl candle comb ivory nest bamboo ink lagoon garden
mint grove toast boot oasis forest bubble vase mountain snow iron iceberg silver brass beam log otter
yarn rope cobalt tartan pebble sun willow gate mirror igloo oyster pillow scarf roof breeze fable
stove feather gold jar moss tile nickel gull magnet planet paddle delta tulip ribbon book quartz
buckle juniper creek summit rose button corn raven gravel robin canoe poppy chalk velvet ginger cave
rain belt door berry lava saddle root bonnet well spruce star dove card ridge boat lotus quilt brush
engine bow lock mask broom bead diamond path blanket ruby jewel bucket plum box bench tea laurel
circle hazel
"""
NOUNS: tuple[str, ...] = tuple(_LIST.split())


def nouns(count: int) -> tuple[str, ...]:
    """The first `count` names: the list, then the list again with _2, then with _3 and so on."""
    rounds = -(-count // len(NOUNS))
    names = [noun if turn == 0 else f"{noun}_{turn + 1}" for turn in range(rounds) for noun in NOUNS]
    return tuple(names[:count])
